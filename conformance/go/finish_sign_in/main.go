// Finishes one sign-in through workos-go 6: `finish_sign_in TOKEN CHALLENGE_ID CODE` prints the user's id.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
)

func main() {
	users := usermanagement.NewClient(os.Getenv("API_KEY"))
	users.Endpoint = os.Getenv("BASE_URL")
	answer, err := users.AuthenticateWithTOTP(context.Background(), usermanagement.AuthenticateWithTOTPOpts{
		ClientID: os.Getenv("CLIENT_ID"), PendingAuthenticationToken: os.Args[1],
		AuthenticationChallengeID: os.Args[2], Code: os.Args[3],
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(answer.User.ID)
}
