package api

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// claims are what is read of the payload of a JWT. They are not verified, and
// decide about words alone.
type claims struct {
	Roles    []string       `json:"roles"`
	Scope    string         `json:"scp"` // of a delegated token
	Tenant   string         `json:"tid"`
	Audience jsontext.Value `json:"aud"` // a text, or a list of such
	Issuer   string         `json:"iss"`
	Subject  string         `json:"sub"`
}

// claims are empty where the token is no JWT.
func (t token) claims() claims { return claimsOf(t.text.Reveal()) }

func claimsOf(jwt string) (c claims) {
	_, rest, _ := strings.Cut(jwt, ".")
	payload, _, signed := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	if !signed || err != nil {
		return claims{}
	}
	if json.Unmarshal(raw, &c, lenient) != nil {
		return claims{}
	}
	return c
}

// isJWT reports whether there were claims at all: of a token without any nothing is
// known.
func (c *claims) isJWT() bool { return c.audience() != "" }

// audience is whom a token is made out to.
func (c *claims) audience() string {
	var list []string
	if json.Unmarshal(c.Audience, &list, lenient) == nil {
		return strings.Join(list, " ")
	}
	return text(c.Audience)
}

// defenderApplication is the API's own application id, by which newer tokens name
// their audience.
const defenderApplication = "fc780465-2017-40d4-a0c5-307022471b92"

// isForAnother reports whether a token is made out to another API than
// Defender's.
func (c *claims) isForAnother() bool {
	audience := strings.ToLower(c.audience())
	if audience == "" || audience == defenderApplication {
		return false
	}
	for _, own := range []string{"securitycenter", "security.microsoft"} {
		if strings.Contains(audience, own) {
			return false
		}
	}
	return true
}

// explain adds what the token itself shows of a refusal by the API.
func (t token) explain(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status != http.StatusUnauthorized && e.Kind != Permission {
		return err
	}
	c := t.claims()
	switch {
	case !c.isJWT():
	case c.isForAnother():
		e.Kind, e.reason, e.Hint = Auth, TokenOfAnotherAPI, hintAudience
		e.Message = "the token is for " + clean(c.audience(), codeLimit)
	case e.Kind != Permission || strings.EqualFold(e.Code, "DisabledFeature"):
	case len(c.Roles) == 0 && c.Scope != "":
		e.reason = PermissionDelegated
	case len(c.Roles) == 0:
		e.reason = ConsentMissing
	}
	return err
}
