package main

import (
	"fmt"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func logOut(users *usermanagement.Client, sessionID, returnTo string) (string, error) {
	// region
	url, err := users.GetLogoutURL(usermanagement.GetLogoutURLOpts{
		SessionID: sessionID,
		ReturnTo:  returnTo,
	})
	if err != nil {
		return "", err
	}

	fmt.Println("send the browser to", url)
	// endregion
	return url.String(), nil
}
