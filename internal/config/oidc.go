package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
)

// OIDC says at which OpenID provider people log in to the console, and which of its groups have which role.
type OIDC struct {
	// Issuer is the provider's address, as its discovery document has it.
	Issuer   string `yaml:"issuer"`
	ClientID string `yaml:"client_id"`
	// ClientSecretFile holds the client's secret; a public client has none.
	ClientSecretFile string `yaml:"client_secret_file"`
	// RedirectURL is where the provider sends people back to; made from their request when it is left out.
	RedirectURL string   `yaml:"redirect_url"`
	Scopes      []string `yaml:"scopes"`
	// NameClaim is what the person is called by, RolesClaim holds their groups.
	NameClaim  string `yaml:"name_claim"`
	RolesClaim string `yaml:"roles_claim"`
	// Roles are the groups that have each role.
	Roles map[string][]string `yaml:"roles"`
	// CAFile holds the certificates that the provider's is signed by.
	CAFile string `yaml:"ca_file"`
}

// CallbackPath is where on the console a provider sends people back to.
const CallbackPath = "/login/oidc/callback"

// ReadSecret returns the client's secret; a public client's is empty.
func (o *OIDC) ReadSecret() (string, error) {
	if o.ClientSecretFile == "" {
		return "", nil
	}
	return ReadSecret(o.ClientSecretFile)
}

func (o *OIDC) fill() {
	if o == nil {
		return
	}
	o.RolesClaim = cmp.Or(o.RolesClaim, "groups")
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"openid", "profile", "email"}
	}
}

func (o *OIDC) check(p *problems) {
	if o == nil {
		return
	}
	p.add(!safeURL(o.Issuer), "api.oidc.issuer", "%q is no address of a provider; write for example https://login.example.org/realms/main (http only on this machine itself)", o.Issuer)
	p.add(o.ClientID == "", "api.oidc.client_id", "is missing; it is what the provider knows this server by")
	if o.RedirectURL != "" {
		u, err := url.Parse(o.RedirectURL)
		p.add(err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != CallbackPath || u.RawQuery != "" || u.Fragment != "",
			"api.oidc.redirect_url", "%q does not lead back to the console; write for example https://evenkeel.example.org%s", o.RedirectURL, CallbackPath)
	}
	p.add(!slices.Contains(o.Scopes, "openid"), "api.oidc.scopes", "has no openid; without it the provider does not say who somebody is")
	groups := 0
	for _, role := range slices.Sorted(maps.Keys(o.Roles)) {
		key := "api.oidc.roles." + role
		p.add(!slices.Contains(roles(), role), key, "%q is no role; use %s", role, strings.Join(roles(), ", "))
		p.add(slices.Contains(o.Roles[role], ""), key, "has an empty group")
		groups += len(o.Roles[role])
	}
	p.add(groups == 0, "api.oidc.roles", "gives no group a role, so nobody could log in; write for example approver: [virtualisation]")
}

// safeURL tells whether nobody on the way can read or change what goes there.
func safeURL(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// readable resolves the names of files, and reads what must be.
func (o *OIDC) readable(path string, resolve func(*string)) error {
	if o == nil {
		return nil
	}
	var errs []error
	if o.ClientSecretFile != "" {
		resolve(&o.ClientSecretFile)
		if _, err := o.ReadSecret(); err != nil {
			errs = append(errs, fmt.Errorf("%s: api.oidc.client_secret_file: %w", path, err))
		}
	}
	if o.CAFile != "" {
		resolve(&o.CAFile)
		if _, err := ReadSecret(o.CAFile); err != nil {
			errs = append(errs, fmt.Errorf("%s: api.oidc.ca_file: %w", path, err))
		}
	}
	return errors.Join(errs...)
}
