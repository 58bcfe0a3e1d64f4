package etcdstore

import (
	"reflect"
	"strings"
	"testing"
)

func TestAnAddress(t *testing.T) {
	for text, want := range map[string]Address{
		"etcd://a":                        {Hosts: []string{"a:2379"}, TTL: 3},
		"etcd://a:1,b:2,10.0.0.1/":        {Hosts: []string{"a:1", "b:2", "10.0.0.1:2379"}, TTL: 3},
		"etcds://a/?ttl=10":               {Hosts: []string{"a:2379"}, TLS: true, TTL: 10},
		"etcds://[::1]:7,[fe80::1]?ttl=2": {Hosts: []string{"[::1]:7", "[fe80::1]:2379"}, TLS: true, TTL: 2},
	} {
		got, err := ParseAddress(text)
		if err != nil || !reflect.DeepEqual(got, want) || !IsAddress(text) {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
		again, err := ParseAddress(strings.NewReplacer("https://", "etcds://", "http://", "etcd://").Replace(got.Endpoints()[0]))
		if err != nil || again.Hosts[0] != want.Hosts[0] || again.TLS != want.TLS {
			t.Errorf("%s has the endpoints %v", text, got.Endpoints())
		}
	}
}

func TestWhatIsNoAddress(t *testing.T) {
	for text, says := range map[string]string{
		"":                          "is no address of etcd",
		"data":                      "is no address of etcd",
		"http://a:2379":             "write etcd://HOST:2379",
		"etcd:a":                    "is no address of etcd",
		"etcd://":                   "names no host",
		"etcd://a,":                 "names no host",
		"etcd://:2379":              "names no host",
		"etcd://a,etcd://b":         "take out",
		"etcd://a,a:2379":           "a:2379 stands there twice",
		"etcd://a:x":                "has no port from 1 to 65535",
		"etcd://a:0":                "has no port",
		"etcd://::1":                "stands in brackets",
		"etcd://a/prefix":           `take out "prefix"`,
		"etcd://a?tll=3":            `"tll" is no option; there is ttl=SECONDS`,
		"etcd://a?ttl=1":            "give 2 to 600 seconds",
		"etcd://a?ttl=soon":         "give 2 to 600 seconds",
		"etcd://a?%zz":              "cannot be read",
		"etcd://root:s3cr3t@a:2379": "--store.password-file",
		"etcds://a?ttl=3#p@s3cr3t":  "--store.user",
	} {
		a, err := ParseAddress(text)
		if err == nil || !strings.Contains(err.Error(), says) || a.Hosts != nil {
			t.Errorf("%s is %+v, %v; want %q", text, a, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the password is told: %v", text, err)
		}
	}
}
