package oidc

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// claims are what the provider says of a person.
type claims map[string]any

// maxName bounds a name, and maxSaid what the provider says besides, in bytes.
const maxName, maxSaid = 200, 500

// random is a text that nobody guesses.
func random() string { return rand.Text() + rand.Text() }

// short is a text of others, fit for one line.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxSaid {
		s = strings.ToValidUTF8(s[:maxSaid], "") + "…"
	}
	return s
}

// at is the claim of that name or, where there is none, the one in blocks whose names stand before its dots.
func (c claims) at(name string) any {
	if v, ok := c[name]; ok {
		return v
	}
	block, rest, nested := strings.Cut(name, ".")
	if inner, ok := c[block].(map[string]any); nested && ok {
		return claims(inner).at(rest)
	}
	return nil
}

// suffice tells whether nothing more need be asked.
func (p *Provider) suffice(c claims) bool {
	name := p.options.NameClaim
	if name == "" {
		name = preferred
	}
	return c.at(name) != nil && c.at(p.options.RolesClaim) != nil
}

const preferred = "preferred_username"

// identity reads the name and the groups.
func (p *Provider) identity(c claims) (Identity, error) {
	i := Identity{Groups: texts(c.at(p.options.RolesClaim))}
	tried := []string{p.options.NameClaim}
	if p.options.NameClaim == "" {
		tried = []string{preferred, "email", "sub"}
	}
	for _, claim := range tried {
		name, _ := c.at(claim).(string)
		if unproven := claim == "email" && c["email_verified"] == false; name == "" || unproven {
			continue
		}
		if len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return i, fmt.Errorf("the person's name (the claim %s) is longer than %d bytes or has characters that cannot be shown", claim, maxName)
		}
		i.Name = name
		return i, nil
	}
	if p.options.NameClaim == "" {
		return i, errors.New("the provider does not say the person's name")
	}
	return i, fmt.Errorf("the provider does not say the person's name in the claim %s (api.oidc.name_claim)", p.options.NameClaim)
}

// texts are those of a claim that is one text or a list of them.
func texts(claim any) []string {
	if one, ok := claim.(string); ok {
		return []string{one}
	}
	list, _ := claim.([]any)
	var all []string
	for _, v := range list {
		if text, ok := v.(string); ok {
			all = append(all, text)
		}
	}
	return all
}
