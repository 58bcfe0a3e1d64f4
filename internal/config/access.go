package config

import (
	"fmt"
	"os"
	"strings"
)

// API says who may do what.
type API struct {
	Tokens []Token `yaml:"tokens"`
	// Certificates gives roles to client certificates, by their common name.
	Certificates []Certificate `yaml:"certificates"`
	// Anonymous is the role of those without either: viewer or nobody.
	Anonymous string `yaml:"anonymous"`
	// OIDC lets people log in to the console at an OpenID provider; nil where it is not used.
	OIDC *OIDC `yaml:"oidc"`
}

// Token lets one person or program in.
type Token struct {
	Name string `yaml:"name"`
	File string `yaml:"file"`
	// Role is viewer, approver, operator or admin; operator when it is left out.
	Role string `yaml:"role"`
}

// Certificate lets in who holds a client certificate that the web server has verified.
type Certificate struct {
	Name string `yaml:"name"`
	Role string `yaml:"role"`
}

// minToken is how long a token must be: shorter ones can be guessed.
const minToken = 16

// Read returns the token's secret.
func (t Token) Read() (string, error) {
	secret, err := ReadSecret(t.File)
	if err == nil && len(secret) < minToken {
		return "", fmt.Errorf("%s holds %d characters, a token needs %d or more", t.File, len(secret), minToken)
	}
	return secret, err
}

// ReadSecret returns what the file holds, without space around it.
func ReadSecret(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return secret, nil
}
