package main

import (
	"fmt"
	"net/http"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func getJwks(users *usermanagement.Client, clientID string) error {
	// region
	url, err := users.GetJWKSURL(clientID)
	if err != nil {
		return err
	}
	answer, err := http.Get(url.String())
	if err != nil {
		return err
	}
	defer answer.Body.Close()

	fmt.Println(answer.Status)
	// endregion
	return nil
}
