// Runs the samples: each takes what it needs out of a scene that the runner has prepared.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

type inputs = map[string]string

var (
	ctx     = context.Background()
	samples = map[string]func(clients, inputs) (string, error){
		"enroll_auth_factor": func(with clients, in inputs) (string, error) {
			return "", enrollAuthFactor(ctx, with.users, in["user_id"])
		},
		"list_auth_factors": func(with clients, in inputs) (string, error) {
			return "", listAuthFactors(ctx, with.users, in["user_id"])
		},
		"enroll_factor": func(with clients, in inputs) (string, error) { return "", enrollFactor(ctx, with.factors) },
		"get_factor": func(with clients, in inputs) (string, error) {
			return "", getFactor(ctx, with.factors, in["factor_id"])
		},
		"delete_factor": func(with clients, in inputs) (string, error) {
			return "", deleteFactor(ctx, with.factors, in["factor_id"])
		},
		"challenge_factor": func(with clients, in inputs) (string, error) {
			return "", challengeFactor(ctx, with.factors, in["factor_id"])
		},
		"verify_challenge": func(with clients, in inputs) (string, error) {
			return "", verifyChallenge(ctx, with.factors, in["challenge_id"], in["code"])
		},
		"create_user": func(with clients, in inputs) (string, error) {
			return "", createUser(ctx, with.users, in["email"], in["password"])
		},
		"list_users": func(with clients, in inputs) (string, error) { return "", listUsers(ctx, with.users, in["email"]) },
		"get_user":   func(with clients, in inputs) (string, error) { return "", getUser(ctx, with.users, in["user_id"]) },
		"get_user_by_external_id": func(with clients, in inputs) (string, error) {
			return "", getUserByExternalId(ctx, with.users, in["external_id"])
		},
		"update_user": func(with clients, in inputs) (string, error) { return "", updateUser(ctx, with.users, in["user_id"]) },
		"delete_user": func(with clients, in inputs) (string, error) { return "", deleteUser(ctx, with.users, in["user_id"]) },
		"authenticate_with_password": func(with clients, in inputs) (string, error) {
			return "", authenticateWithPassword(ctx, with.users, in["client_id"], in["email"], in["password"])
		},
		"authenticate_with_totp": func(with clients, in inputs) (string, error) {
			return "", authenticateWithTotp(ctx, with.users, in["client_id"], in["code"], in["challenge_id"], in["pending_authentication_token"])
		},
		"authenticate_with_refresh_token": func(with clients, in inputs) (string, error) {
			return "", authenticateWithRefreshToken(ctx, with.users, in["client_id"], in["refresh_token"])
		},
		"get_jwks":      func(with clients, in inputs) (string, error) { return "", getJwks(with.users, in["client_id"]) },
		"list_sessions": func(with clients, in inputs) (string, error) { return "", listSessions(ctx, with.users, in["user_id"]) },
		"revoke_session": func(with clients, in inputs) (string, error) {
			return "", revokeSession(ctx, with.users, in["session_id"])
		},
		"log_out": func(with clients, in inputs) (string, error) {
			return logOut(with.users, in["session_id"], in["return_to"])
		},
		"list_events": func(with clients, in inputs) (string, error) { return "", listEvents(ctx, with.log) },
	}
)

type told struct {
	OK     bool   `json:"ok"`
	Said   string `json:"said"`
	Result string `json:"result"`
	// What the sample printed.
	Printed string `json:"printed"`
}

// main reads the scenes from a file, runs each sample once, and writes what became of it to another file.
func main() {
	scenes := map[string]inputs{}
	read, err := os.ReadFile(os.Getenv("SCENES"))
	check(err)
	check(json.Unmarshal(read, &scenes))
	with, results := connect(), map[string]told{}
	for name, in := range scenes {
		// Tells the recorder whose requests follow.
		answer, err := http.Get(os.Getenv("BASE_URL") + "/-/begin/" + name)
		check(err)
		check(answer.Body.Close())
		var result string
		printed := capture(func() { result, err = samples[name](with, in) })
		results[name] = told{err == nil, fmt.Sprint(err), result, printed}
	}
	written, err := json.Marshal(results)
	check(err)
	check(os.WriteFile(os.Getenv("RESULTS"), written, 0o600))
}

// capture returns what a function prints.
func capture(run func()) string {
	file, err := os.CreateTemp("", "printed")
	check(err)
	defer os.Remove(file.Name())
	stdout := os.Stdout
	os.Stdout = file
	run()
	os.Stdout = stdout
	check(file.Close())
	printed, err := os.ReadFile(file.Name())
	check(err)
	return string(printed)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
