package etcdstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// defaultPort is where etcd listens for clients, and defaultTTL after how many seconds without a sign of life a leader is deposed.
const (
	defaultPort = "2379"
	defaultTTL  = 3
)

// Address says in one line where a store in etcd is: etcd://HOST[:PORT][,HOST[:PORT]…][/][?ttl=SECONDS], or etcds:// with TLS.
type Address struct {
	// Hosts are the nodes as HOST:PORT.
	Hosts []string
	// TLS tells whether they are spoken to with it.
	TLS bool
	// TTL is after how many seconds without a sign of life a leader is deposed.
	TTL int
}

// IsAddress tells whether a text means etcd, and not a directory.
func IsAddress(text string) bool {
	return strings.HasPrefix(text, "etcd://") || strings.HasPrefix(text, "etcds://")
}

// ParseAddress reads an address. A user or a password in it is refused, and never said again: who may list processes would see it.
func ParseAddress(text string) (Address, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	a := Address{TLS: scheme == "etcds", TTL: defaultTTL}
	if !IsAddress(text) {
		return Address{}, fmt.Errorf("%q is no address of etcd; write etcd://HOST:%s[,HOST:%s], or etcds:// for TLS", text, defaultPort, defaultPort)
	}
	if strings.Contains(rest, "@") {
		return Address{}, errors.New("the address of etcd holds a user or a password; take it out, and give --store.user and --store.password-file")
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(rest, "/")
	if path != "" {
		return Address{}, fmt.Errorf("%q: take out %q behind the hosts; the keys stand under /evenkeel/ and the cluster's name", text, path)
	}
	for h := range strings.SplitSeq(hosts, ",") {
		host, err := withPort(h)
		if err != nil {
			return Address{}, fmt.Errorf("%q: %w", text, err)
		}
		if slices.Contains(a.Hosts, host) {
			return Address{}, fmt.Errorf("%q: %s stands there twice", text, host)
		}
		a.Hosts = append(a.Hosts, host)
	}
	if err := a.options(query); err != nil {
		return Address{}, fmt.Errorf("%q: %w", text, err)
	}
	return a, nil
}

// withPort reads one HOST or HOST:PORT; an IPv6 address stands in brackets.
func withPort(text string) (string, error) {
	host, port := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), defaultPort
	if strings.Contains(text, "]:") || !strings.HasPrefix(text, "[") && strings.Contains(text, ":") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", fmt.Errorf("%q is no HOST:PORT; an IPv6 address stands in brackets", text)
		}
	}
	if host == "" || strings.ContainsAny(host, " []") || strings.Contains(host, "://") {
		return "", fmt.Errorf("%q names no host; write HOST:%s", text, defaultPort)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("%q has no port from 1 to 65535", text)
	}
	return net.JoinHostPort(host, port), nil
}

// options reads what stands behind the question mark.
func (a *Address) options(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("what stands behind the question mark cannot be read: %w", err)
	}
	for key, list := range values {
		if key != "ttl" {
			return fmt.Errorf("%q is no option; there is ttl=SECONDS", key)
		}
		if a.TTL, err = strconv.Atoi(list[len(list)-1]); err != nil || a.TTL < 2 || a.TTL > 600 {
			return fmt.Errorf("ttl=%s: give 2 to 600 seconds after which a leader that is not heard of is deposed", list[len(list)-1])
		}
	}
	return nil
}

// Endpoints are the nodes as Options take them.
func (a Address) Endpoints() []string {
	scheme := "http://"
	if a.TLS {
		scheme = "https://"
	}
	list := make([]string, len(a.Hosts))
	for i, h := range a.Hosts {
		list[i] = scheme + h
	}
	return list
}
