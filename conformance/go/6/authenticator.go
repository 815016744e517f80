package main

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image/png"
	"math/big"
	"net/http"
	"os"
	"strings"
	"time"
)

// code returns the six digits of a base32 secret, some steps from now (RFC 6238).
func code(secret string, ahead int64) string {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	check(err)
	mac := hmac.New(sha1.New, key)
	check(binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+ahead))
	digest := mac.Sum(nil)
	at := digest[19] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(digest[at:])&0x7fffffff%1_000_000)
}

// wrongCode returns six digits that are no code of this secret for some minutes around now.
func wrongCode(secret string) string {
	near := map[string]bool{}
	for ahead := int64(-10); ahead <= 10; ahead++ {
		near[code(secret, ahead)] = true
	}
	number := 0
	for near[fmt.Sprintf("%06d", number)] {
		number++
	}
	return fmt.Sprintf("%06d", number)
}

// pictureWidth returns the width of a square PNG given as a data URI.
func pictureWidth(dataURI string) int {
	picture, found := strings.CutPrefix(dataURI, "data:image/png;base64,")
	ensure(found, "not a PNG as a data URI")
	decoded, err := base64.StdEncoding.DecodeString(picture)
	check(err)
	image, err := png.Decode(bytes.NewReader(decoded))
	check(err)
	size := image.Bounds().Size()
	same("height", size.Y, size.X)
	return size.X
}

// recoveryCodes makes a set of recovery codes, which no SDK has a method for.
func recoveryCodes(userID string) []string {
	request, err := http.NewRequest("POST", baseURL+"/authfactor/users/"+userID+"/recovery_codes", nil)
	check(err)
	request.Header.Set("Authorization", "Bearer "+os.Getenv("API_KEY"))
	answer, err := http.DefaultClient.Do(request)
	check(err)
	defer answer.Body.Close()
	same("status", answer.StatusCode, http.StatusCreated)
	var made struct{ Codes []string }
	check(json.NewDecoder(answer.Body).Decode(&made))
	return made.Codes
}

type claims struct {
	Subject string   `json:"sub"`
	Session string   `json:"sid"`
	Methods []string `json:"amr"`
	Expires int64    `json:"exp"`
}

// claimsOf returns the claims of an access token, checked against the published keys.
func claimsOf(token, url string) claims {
	parts := strings.Split(token, ".")
	same("parts of the token", len(parts), 3)
	var header struct{ Alg, Kid string }
	check(json.Unmarshal(fromBase64(parts[0]), &header))
	same("algorithm", header.Alg, "RS256")
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	check(rsa.VerifyPKCS1v15(publicKey(url, header.Kid), crypto.SHA256, digest[:], fromBase64(parts[2])))
	var found claims
	check(json.Unmarshal(fromBase64(parts[1]), &found))
	ensure(found.Expires > time.Now().Unix(), "the token has expired")
	return found
}

func publicKey(url, kid string) *rsa.PublicKey {
	answer, err := http.Get(url)
	check(err)
	defer answer.Body.Close()
	var set struct{ Keys []struct{ Kid, N, E string } }
	check(json.NewDecoder(answer.Body).Decode(&set))
	for _, key := range set.Keys {
		if key.Kid == kid {
			exponent := new(big.Int).SetBytes(fromBase64(key.E))
			return &rsa.PublicKey{N: new(big.Int).SetBytes(fromBase64(key.N)), E: int(exponent.Int64())}
		}
	}
	panic("the key is not published: " + kid)
}

func fromBase64(text string) []byte {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	check(err)
	return decoded
}
