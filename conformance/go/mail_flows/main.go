// Walks through codes and links that are mailed, with workos-go 6; prints a line for each step. The environment
// requires verified emails.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/workos/workos-go/v6/pkg/usermanagement"
	"github.com/workos/workos-go/v6/pkg/workos_errors"
)

const password = "seven green bottles of glass"

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func main() {
	ctx, clientID := context.Background(), os.Getenv("CLIENT_ID")
	users := usermanagement.NewClient(os.Getenv("API_KEY"))
	users.Endpoint = os.Getenv("BASE_URL")
	email := fmt.Sprintf("kim.%d@example.org", time.Now().UnixNano())

	user := must(users.CreateUser(ctx, usermanagement.CreateUserOpts{Email: email}))
	reset := must(users.CreatePasswordReset(ctx, usermanagement.CreatePasswordResetOpts{Email: email}))
	must(users.ResetPassword(ctx, usermanagement.ResetPasswordOpts{
		Token: reset.PasswordResetToken, NewPassword: password,
	}))
	found := must(users.GetPasswordReset(ctx, usermanagement.GetPasswordResetOpts{PasswordReset: reset.ID}))
	fmt.Println("password_reset", found.ID == reset.ID)

	unverified := must(users.CreateUser(ctx, usermanagement.CreateUserOpts{Email: "lee." + email, Password: password}))
	_, err := users.AuthenticateWithPassword(ctx, usermanagement.AuthenticateWithPasswordOpts{
		ClientID: clientID, Email: unverified.Email, Password: password,
	})
	var required *workos_errors.EmailVerificationRequiredError
	if !errors.As(err, &required) {
		fmt.Fprintf(os.Stderr, "%T: %v\n", err, err)
		os.Exit(1)
	}
	verification := must(users.GetEmailVerification(ctx, usermanagement.GetEmailVerificationOpts{
		EmailVerification: required.EmailVerificationID,
	}))
	done := must(users.AuthenticateWithEmailVerificationCode(ctx, usermanagement.AuthenticateWithEmailVerificationCodeOpts{
		ClientID: clientID, Code: verification.Code, PendingAuthenticationToken: required.PendingAuthenticationToken,
	}))
	fmt.Println("email_verification", done.User.EmailVerified)

	made := must(users.CreateMagicAuth(ctx, usermanagement.CreateMagicAuthOpts{Email: email}))
	magic := must(users.GetMagicAuth(ctx, usermanagement.GetMagicAuthOpts{MagicAuth: made.ID}))
	signedIn := must(users.AuthenticateWithMagicAuth(ctx, usermanagement.AuthenticateWithMagicAuthOpts{
		ClientID: clientID, Code: magic.Code, Email: email,
	}))
	fmt.Println("magic_auth", signedIn.User.ID == user.ID, signedIn.AuthenticationMethod)

	invited := must(users.SendInvitation(ctx, usermanagement.SendInvitationOpts{Email: "pat." + email, ExpiresInDays: 3}))
	byToken := must(users.FindInvitationByToken(ctx, usermanagement.FindInvitationByTokenOpts{InvitationToken: invited.Token}))
	listed := must(users.ListInvitations(ctx, usermanagement.ListInvitationsOpts{Email: byToken.Email}))
	again := must(users.ResendInvitation(ctx, usermanagement.ResendInvitationOpts{Invitation: invited.ID}))
	fmt.Println("invitation", byToken.ID == invited.ID, len(listed.Data), again.State)
	revoked := must(users.RevokeInvitation(ctx, usermanagement.RevokeInvitationOpts{Invitation: invited.ID}))
	fmt.Println("revoked", revoked.State)
}
