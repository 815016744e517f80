// Sign-up, sign-in with password and code, and sign-out: Go's net/http with authfactor.
// Reads WORKOS_BASE_URL, WORKOS_API_KEY, WORKOS_CLIENT_ID and PORT. Run it with: go run .
package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/workos/workos-go/v6/pkg/mfa"
	"github.com/workos/workos-go/v6/pkg/usermanagement"
	"github.com/workos/workos-go/v6/pkg/workos_errors"
)

var (
	key, clientID = os.Getenv("WORKOS_API_KEY"), os.Getenv("WORKOS_CLIENT_ID")
	users         = usermanagement.NewClient(key)
	factors       = &mfa.Client{APIKey: key, Endpoint: os.Getenv("WORKOS_BASE_URL")}
)

// session is what the application knows of a browser. Its fields are set in three ways: a user who is signed in,
// a sign-in that waits for its code (pending), and an enrollment that waits for its first code (picture).
type session struct {
	user, email, id    string
	pending, challenge string
	picture            template.URL
}

// Of one process. With several, or to survive a restart, use a database.
var (
	mutex    sync.Mutex
	sessions = map[string]session{}
)

func main() {
	users.Endpoint = os.Getenv("WORKOS_BASE_URL")
	http.HandleFunc("/", home)
	http.HandleFunc("/sign-up", signUp)
	http.HandleFunc("/enroll", enroll)
	http.HandleFunc("/sign-in", signIn)
	http.HandleFunc("/code", enterCode)
	http.HandleFunc("/sign-out", signOut)
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}

func home(response http.ResponseWriter, request *http.Request) {
	_, known := current(request)
	if request.URL.Path != "/" {
		http.NotFound(response, request)
	} else if known.user == "" {
		http.Redirect(response, request, "/sign-in", http.StatusSeeOther)
	} else {
		show(response, page{Title: "Welcome", Message: "You are signed in as " + known.email + ".", Action: "/sign-out", Button: "Sign out"})
	}
}

func signUp(response http.ResponseWriter, request *http.Request) {
	form := page{Title: "Sign up", Fields: credentials}
	if request.Method != http.MethodPost {
		show(response, form)
		return
	}
	email, password := request.PostFormValue("email"), request.PostFormValue("password")
	_, err := users.CreateUser(request.Context(), usermanagement.CreateUserOpts{Email: email, Password: password})
	if err != nil {
		refuse(response, form, err)
		return
	}
	signedIn, err := withPassword(request, email, password)
	if err != nil {
		refuse(response, form, err)
		return
	}
	remember(response, request, ofUser(signedIn), "/enroll")
}

func enroll(response http.ResponseWriter, request *http.Request) {
	cookie, known := current(request)
	if known.user == "" {
		http.Redirect(response, request, "/sign-in", http.StatusSeeOther)
		return
	}
	form := page{Title: "Enroll", Fields: code, Picture: known.picture}
	if request.Method != http.MethodPost || known.picture == "" {
		enrolled, err := users.EnrollAuthFactor(request.Context(), usermanagement.EnrollAuthFactorOpts{
			User: known.user, Type: mfa.TOTP, TOTPIssuer: "Example",
		})
		if err != nil {
			refuse(response, form, err)
			return
		}
		known.challenge = enrolled.Challenge.ID
		// A data: URL, which templates distrust unless told otherwise.
		known.picture = template.URL(enrolled.Factor.TOTP.QRCode)
		store(cookie, known)
		form.Picture = known.picture
		show(response, form)
		return
	}
	verified, err := factors.VerifyChallenge(request.Context(), mfa.VerifyChallengeOpts{
		ChallengeID: known.challenge, Code: request.PostFormValue("code"),
	})
	if err != nil {
		refuse(response, form, err)
		return
	}
	if !verified.Valid {
		form.Message = "Wrong code. Try again."
		show(response, form)
		return
	}
	known.challenge, known.picture = "", ""
	store(cookie, known)
	http.Redirect(response, request, "/", http.StatusSeeOther)
}

func signIn(response http.ResponseWriter, request *http.Request) {
	form := page{Title: "Sign in", Fields: credentials}
	if request.Method != http.MethodPost {
		show(response, form)
		return
	}
	signedIn, err := withPassword(request, request.PostFormValue("email"), request.PostFormValue("password"))
	var stepUp *workos_errors.MFAChallengeError
	if errors.As(err, &stepUp) {
		// This SDK's error has no challenge: open one for the user's factor.
		challenge, err := factors.ChallengeFactor(request.Context(), mfa.ChallengeFactorOpts{FactorID: stepUp.AuthenticationFactors[0].ID})
		if err != nil {
			refuse(response, form, err)
			return
		}
		remember(response, request, session{pending: stepUp.PendingAuthenticationToken, challenge: challenge.ID}, "/code")
		return
	}
	if err != nil {
		refuse(response, form, err)
		return
	}
	remember(response, request, ofUser(signedIn), "/")
}

func enterCode(response http.ResponseWriter, request *http.Request) {
	_, known := current(request)
	form := page{Title: "Enter code", Fields: code}
	if known.pending == "" {
		http.Redirect(response, request, "/sign-in", http.StatusSeeOther)
		return
	}
	if request.Method != http.MethodPost {
		show(response, form)
		return
	}
	signedIn, err := users.AuthenticateWithTOTP(request.Context(), usermanagement.AuthenticateWithTOTPOpts{
		ClientID:                   clientID,
		Code:                       request.PostFormValue("code"),
		AuthenticationChallengeID:  known.challenge,
		PendingAuthenticationToken: known.pending,
	})
	if err != nil {
		refuse(response, form, err)
		return
	}
	remember(response, request, ofUser(signedIn), "/")
}

func signOut(response http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		http.Error(response, "POST only", http.StatusMethodNotAllowed)
		return
	}
	cookie, known := current(request)
	forget(cookie)
	if known.id != "" {
		if err := users.RevokeSession(request.Context(), usermanagement.RevokeSessionOpts{SessionID: known.id}); err != nil {
			log.Print(err)
		}
	}
	http.SetCookie(response, &http.Cookie{Name: "session", Path: "/", MaxAge: -1})
	http.Redirect(response, request, "/sign-in", http.StatusSeeOther)
}

func withPassword(request *http.Request, email, password string) (usermanagement.AuthenticateResponse, error) {
	return users.AuthenticateWithPassword(request.Context(), usermanagement.AuthenticateWithPasswordOpts{
		ClientID: clientID, Email: email, Password: password,
	})
}

// current returns a browser's cookie and what is known of it.
func current(request *http.Request) (string, session) {
	cookie, err := request.Cookie("session")
	if err != nil {
		return "", session{}
	}
	mutex.Lock()
	defer mutex.Unlock()
	return cookie.Value, sessions[cookie.Value]
}

func store(cookie string, known session) {
	mutex.Lock()
	defer mutex.Unlock()
	sessions[cookie] = known
}

func forget(cookie string) {
	mutex.Lock()
	defer mutex.Unlock()
	delete(sessions, cookie)
}

// remember begins a session with a new id: an id that was known before the sign-in must not become valid.
func remember(response http.ResponseWriter, request *http.Request, known session, target string) {
	if cookie, _ := current(request); cookie != "" {
		forget(cookie)
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		panic(err)
	}
	fresh := base64.RawURLEncoding.EncodeToString(random)
	store(fresh, known)
	// Lax: a form on another site is sent without the cookie.
	http.SetCookie(response, &http.Cookie{
		Name: "session", Value: fresh, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: request.TLS != nil,
	})
	http.Redirect(response, request, target, http.StatusSeeOther)
}

// ofUser reads the access token, which comes from the server itself, so that its signature needs no check here.
func ofUser(signedIn usermanagement.AuthenticateResponse) session {
	var claims struct {
		SID string `json:"sid"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(signedIn.AccessToken, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		panic(err)
	}
	return session{user: signedIn.User.ID, email: signedIn.User.Email, id: claims.SID}
}

// refuse shows a form again with the reason. A failure of the server is none of the user's.
func refuse(response http.ResponseWriter, form page, err error) {
	var refused workos_errors.HTTPError
	if !errors.As(err, &refused) || refused.Code >= http.StatusInternalServerError {
		log.Print(err)
		http.Error(response, "Try again later.", http.StatusBadGateway)
		return
	}
	form.Message = refused.Message
	show(response, form)
}

type field struct{ Name, Kind string }

type page struct {
	Title, Message, Action, Button string
	Fields                         []field
	Picture                        template.URL
}

var (
	credentials = []field{{"email", "email"}, {"password", "password"}}
	code        = []field{{"code", "text"}}
	layout      = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{.Title}}</title>
<h1>{{.Title}}</h1>
{{with .Message}}<p role="alert">{{.}}</p>{{end}}
{{with .Picture}}<p>Scan this with your authenticator app.</p><img src="{{.}}" alt="QR code">{{end}}
<form method="post" action="{{.Action}}">
{{range .Fields}}<p><label>{{.Name}} <input name="{{.Name}}" type="{{.Kind}}" required></label></p>
{{end}}<button>{{or .Button "Continue"}}</button></form>
`))
)

func show(response http.ResponseWriter, shown page) {
	response.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := layout.Execute(response, shown); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
