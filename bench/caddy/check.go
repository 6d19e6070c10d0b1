//go:build jwx

// What caddy-jwt does for a request whose token is in a cookie, with the library that it uses, for where the
// plugin itself is not to be had. It does less: one cookie is looked at, and one claim.
package main

import (
	"encoding/base64"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwt"
)

func init() {
	caddy.RegisterModule(check{})
	httpcaddyfile.RegisterHandlerDirective("jwxauth", parse)
}

// check verifies the access_token cookie with HS256.
type check struct {
	Key string `json:"key"` // in base64

	key []byte
}

func (check) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.authentication.providers.jwx",
		New: func() caddy.Module { return new(check) },
	}
}

func (c *check) Provision(caddy.Context) (err error) {
	c.key, err = base64.StdEncoding.DecodeString(c.Key)
	return err
}

func (c *check) Authenticate(_ http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	cookie, err := r.Cookie("access_token")
	if err != nil {
		return caddyauth.User{}, false, nil
	}
	token, err := jwt.ParseString(cookie.Value, jwt.WithKey(jwa.HS256, c.key))
	if err != nil {
		return caddyauth.User{}, false, err
	}
	return caddyauth.User{ID: token.Subject()}, true, nil
}

// parse reads `jwxauth <key>`.
func parse(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	var c check
	if h.Next(); !h.AllArgs(&c.Key) {
		return nil, h.ArgErr()
	}
	providers := caddy.ModuleMap{"jwx": caddyconfig.JSON(&c, nil)}
	return caddyauth.Authentication{ProvidersRaw: providers}, nil
}
