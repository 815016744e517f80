// The whole life through workos-go 6: package functions' clients, one per area.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/workos/workos-go/v6/pkg/events"
	"github.com/workos/workos-go/v6/pkg/mfa"
	"github.com/workos/workos-go/v6/pkg/usermanagement"
	"github.com/workos/workos-go/v6/pkg/workos_errors"
)

const (
	password    = "a long and rare passphrase 7!"
	ownSecret   = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	badSecret   = "0189!"
	unknownUser = "user_01HZZZZZZZZZZZZZZZZZZZZZZZ"
	nothing     = "auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ"
)

var (
	ctx      = context.Background()
	baseURL  = os.Getenv("BASE_URL")
	clientID = os.Getenv("CLIENT_ID")
)

type life struct {
	users, stranger *usermanagement.Client
	mfa             *mfa.Client
	events          *events.Client

	email                string
	user                 usermanagement.User
	factor, own          mfa.Factor
	challenge, again     mfa.Challenge
	code, pending        string
	access, refreshToken string
	session              string
}

func main() {
	key := os.Getenv("API_KEY")
	one := &life{
		users:    users(key),
		stranger: users("sk_test_wrong"),
		mfa:      &mfa.Client{APIKey: key, Endpoint: baseURL},
		events:   &events.Client{APIKey: key, Endpoint: baseURL},
		email:    fmt.Sprintf("kim.%d@example.org", time.Now().UnixNano()),
	}
	walk([]step{
		{"create user", one.createUser},
		{"enroll", one.enroll},
		{"enroll own", one.enrollOwn},
		{"qr code", one.qrCode},
		{"wrong code", func() { same("valid", one.verified(one.challenge, wrongCode(one.factor.TOTP.Secret)), false) }},
		{"verify", one.verify},
		{"challenge", one.ask},
		{"replay", func() { same("valid", one.verified(one.again, one.code), false) }},
		{"list", one.list},
		{"get", one.get},
		{"unknown ids", one.unknownIDs},
		{"bad secret", one.enrollBadSecret},
		{"wrong key", one.wrongKey},
		{"password", one.password},
		{"sign in", one.signIn},
		{"jwks", one.jwks},
		{"refresh", one.refresh},
		{"sessions", one.sessions},
		{"events", one.listEvents},
		{"recovery code", one.recoveryCode},
		{"delete", one.delete},
		{"delete user", one.deleteUser},
	})
}

func users(key string) *usermanagement.Client {
	client := usermanagement.NewClient(key)
	client.Endpoint = baseURL
	return client
}

func (l *life) createUser() {
	made, err := l.users.CreateUser(ctx, usermanagement.CreateUserOpts{
		Email: l.email, Password: password, EmailVerified: true,
	})
	check(err)
	l.user = made
	same("email", l.user.Email, l.email)
	found, err := l.users.GetUser(ctx, usermanagement.GetUserOpts{User: l.user.ID})
	check(err)
	same("read again", found.CreatedAt, l.user.CreatedAt)
}

func (l *life) enrolled(opts usermanagement.EnrollAuthFactorOpts) (usermanagement.EnrollAuthFactorResponse, error) {
	opts.Type = mfa.TOTP
	return l.users.EnrollAuthFactor(ctx, opts)
}

func (l *life) enroll() {
	made, err := l.enrolled(usermanagement.EnrollAuthFactorOpts{User: l.user.ID})
	check(err)
	l.factor, l.challenge = made.Factor, made.Challenge
	same("challenged factor", l.challenge.FactorID, l.factor.ID)
	ensure(l.factor.ID != "", "no factor")
	ensure(l.challenge.ExpiresAt != "", "expires_at is missing")
}

func (l *life) enrollOwn() {
	made, err := l.enrolled(usermanagement.EnrollAuthFactorOpts{
		User: l.user.ID, TOTPIssuer: "Acme & Söhne", TOTPUser: "kim+2@example.org", TOTPSecret: ownSecret,
	})
	check(err)
	l.own = made.Factor
	same("own secret", l.own.TOTP.Secret, ownSecret)
	ensure(strings.Contains(l.own.TOTP.URI, "issuer=Acme%20%26%20S%C3%B6hne"), "another issuer: "+l.own.TOTP.URI)
}

func (l *life) qrCode() {
	for _, factor := range []mfa.Factor{l.factor, l.own} {
		ensure(pictureWidth(factor.TOTP.QRCode) >= 100, "a small picture")
		ensure(strings.Contains(factor.TOTP.URI, "secret="+factor.TOTP.Secret), "no secret in the URI")
	}
}

func (l *life) verified(challenge mfa.Challenge, code string) bool {
	answer, err := l.mfa.VerifyChallenge(ctx, mfa.VerifyChallengeOpts{ChallengeID: challenge.ID, Code: code})
	check(err)
	same("challenge", answer.Challenge.ID, challenge.ID)
	return answer.Valid
}

func (l *life) verify() {
	l.code = code(l.factor.TOTP.Secret, 0)
	same("valid", l.verified(l.challenge, l.code), true)
	same("valid, repeated", l.verified(l.challenge, l.code), true)
	another := wrongCode(l.factor.TOTP.Secret)
	_, err := l.mfa.VerifyChallenge(ctx, mfa.VerifyChallengeOpts{ChallengeID: l.challenge.ID, Code: another})
	refusal := refused[mfa.VerificationResponseError](nil, err)
	same("another code", refusal.Code, "authentication_challenge_previously_verified")
}

func (l *life) ask() {
	asked, err := l.mfa.ChallengeFactor(ctx, mfa.ChallengeFactorOpts{FactorID: l.factor.ID})
	check(err)
	l.again = asked
	same("challenged factor", l.again.FactorID, l.factor.ID)
	ensure(l.again.ID != l.challenge.ID, "the same challenge twice")
}

// This version's list has no page size: it asks for the first page only.
func (l *life) list() {
	listed, err := l.users.ListAuthFactors(ctx, usermanagement.ListAuthFactorsOpts{User: l.user.ID})
	check(err)
	var ids []string
	for _, factor := range listed.Data {
		ids = append(ids, factor.ID)
	}
	same("factors", ids, []string{l.own.ID, l.factor.ID})
	same("end of the list", listed.ListMetadata.After, "")
}

func (l *life) get() {
	found, err := l.mfa.GetFactor(ctx, mfa.GetFactorOpts{FactorID: l.own.ID})
	check(err)
	same("factor", []string{found.ID, string(found.Type)}, []string{l.own.ID, "totp"})
	same("secret", found.TOTP, mfa.TOTPDetails{})
}

func (l *life) unknownIDs() {
	for _, call := range []func() (any, error){
		func() (any, error) { return l.users.GetUser(ctx, usermanagement.GetUserOpts{User: unknownUser}) },
		func() (any, error) { return l.enrolled(usermanagement.EnrollAuthFactorOpts{User: unknownUser}) },
		func() (any, error) { return l.mfa.GetFactor(ctx, mfa.GetFactorOpts{FactorID: nothing}) },
		func() (any, error) { return nil, l.mfa.DeleteFactor(ctx, mfa.DeleteFactorOpts{FactorID: nothing}) },
		func() (any, error) { return l.mfa.ChallengeFactor(ctx, mfa.ChallengeFactorOpts{FactorID: nothing}) },
	} {
		refusal := refused[workos_errors.HTTPError](call())
		same("status", refusal.Code, 404)
		same("code", refusal.ErrorCode, "entity_not_found")
	}
}

func (l *life) enrollBadSecret() {
	refusal := refused[workos_errors.HTTPError](
		l.enrolled(usermanagement.EnrollAuthFactorOpts{User: l.user.ID, TOTPSecret: badSecret}))
	same("status", refusal.Code, 422)
	same("code", refusal.ErrorCode, "invalid_request_parameters")
	same("fields", len(refusal.FieldErrors), 1)
	same("field", refusal.FieldErrors[0].Field, "totp_secret")
}

func (l *life) wrongKey() {
	refusal := refused[workos_errors.HTTPError](
		l.stranger.GetUser(ctx, usermanagement.GetUserOpts{User: l.user.ID}))
	same("status", refusal.Code, 401)
}

func (l *life) password() {
	refusal := refused[*workos_errors.MFAChallengeError](l.users.AuthenticateWithPassword(ctx,
		usermanagement.AuthenticateWithPasswordOpts{ClientID: clientID, Email: l.email, Password: password}))
	same("user", refusal.User.ID, l.user.ID)
	same("factors", len(refusal.AuthenticationFactors), 2)
	l.pending = refusal.PendingAuthenticationToken
	ensure(l.pending != "", "no pending token")
}

func (l *life) signIn() {
	asked, err := l.mfa.ChallengeFactor(ctx, mfa.ChallengeFactorOpts{FactorID: l.own.ID})
	check(err)
	answer, err := l.users.AuthenticateWithTOTP(ctx, usermanagement.AuthenticateWithTOTPOpts{
		ClientID: clientID, Code: code(ownSecret, 0),
		PendingAuthenticationToken: l.pending, AuthenticationChallengeID: asked.ID,
	})
	check(err)
	same("user", answer.User.ID, l.user.ID)
	l.access, l.refreshToken = answer.AccessToken, answer.RefreshToken
}

func (l *life) claims(token string) claims {
	url, err := l.users.GetJWKSURL(clientID)
	check(err)
	return claimsOf(token, url.String())
}

func (l *life) jwks() {
	found := l.claims(l.access)
	same("subject", found.Subject, l.user.ID)
	l.session = found.Session
}

func (l *life) refreshed() (usermanagement.RefreshAuthenticationResponse, error) {
	return l.users.AuthenticateWithRefreshToken(ctx, usermanagement.AuthenticateWithRefreshTokenOpts{
		ClientID: clientID, RefreshToken: l.refreshToken,
	})
}

func (l *life) refresh() {
	answer, err := l.refreshed()
	check(err)
	same("session", l.claims(answer.AccessToken).Session, l.session)
	ensure(answer.RefreshToken != l.refreshToken, "the refresh token was not changed")
	l.refreshToken = answer.RefreshToken
}

func (l *life) sessions() {
	listed := func() []usermanagement.Session {
		found, err := l.users.ListSessions(ctx, l.user.ID, usermanagement.ListSessionsOpts{Limit: 10})
		check(err)
		return found.Data
	}
	before := listed()
	same("sessions", len(before), 1)
	same("session", []string{before[0].ID, before[0].Status}, []string{l.session, "active"})
	check(l.users.RevokeSession(ctx, usermanagement.RevokeSessionOpts{SessionID: l.session}))
	same("revoked", len(listed()), 0)
	same("status of a refresh", refused[workos_errors.HTTPError](l.refreshed()).Code, 400)
}

func (l *life) listEvents() {
	wanted := []string{"authentication.mfa_succeeded", "session.created", "session.revoked", "user.created"}
	seen := map[string]bool{}
	for after, more := "", true; more; more = after != "" {
		page, err := l.events.ListEvents(ctx, events.ListEventsOpts{Events: wanted, Limit: 20, After: after})
		check(err)
		for _, event := range page.Data {
			var about struct {
				ID     string `json:"id"`
				UserID string `json:"user_id"`
			}
			check(json.Unmarshal(event.Data, &about))
			if about.ID == l.user.ID || about.UserID == l.user.ID {
				seen[event.Event] = true
			}
		}
		after = page.ListMetadata.After
	}
	var found []string
	for name := range seen {
		found = append(found, name)
	}
	sort.Strings(found)
	same("events", found, wanted)
}

func (l *life) recoveryCode() {
	codes := recoveryCodes(l.user.ID)
	asked, err := l.mfa.ChallengeFactor(ctx, mfa.ChallengeFactorOpts{FactorID: l.own.ID})
	check(err)
	same("valid", l.verified(asked, codes[0]), true)
	asked, err = l.mfa.ChallengeFactor(ctx, mfa.ChallengeFactorOpts{FactorID: l.own.ID})
	check(err)
	same("valid twice", l.verified(asked, codes[0]), false)
	l.password()
	answer, err := l.users.AuthenticateWithTOTP(ctx, usermanagement.AuthenticateWithTOTPOpts{
		ClientID: clientID, Code: codes[1],
		PendingAuthenticationToken: l.pending, AuthenticationChallengeID: asked.ID,
	})
	check(err)
	same("methods", l.claims(answer.AccessToken).Methods, []string{"pwd", "recovery_code", "mfa"})
}

func (l *life) delete() {
	check(l.mfa.DeleteFactor(ctx, mfa.DeleteFactorOpts{FactorID: l.factor.ID}))
	refused[workos_errors.HTTPError](l.mfa.GetFactor(ctx, mfa.GetFactorOpts{FactorID: l.factor.ID}))
}

func (l *life) deleteUser() {
	check(l.users.DeleteUser(ctx, usermanagement.DeleteUserOpts{User: l.user.ID}))
	refused[workos_errors.HTTPError](l.users.GetUser(ctx, usermanagement.GetUserOpts{User: l.user.ID}))
	refused[workos_errors.HTTPError](l.mfa.GetFactor(ctx, mfa.GetFactorOpts{FactorID: l.own.ID}))
}
