package config_test

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	promconfig "github.com/prometheus/common/config"
)

// plant puts a secret wherever one can stand: as a password, in an address, in options of agents and in arguments of commands.
func plant(v reflect.Value, key string) {
	switch one := v.Addr().Interface().(type) {
	case *config.HTTPClient:
		u, _ := url.Parse("http://proxy:hunter2@proxy/")
		one.HTTPClientConfig = promconfig.HTTPClientConfig{BasicAuth: &promconfig.BasicAuth{Username: "x", Password: "hunter2"}, Authorization: &promconfig.Authorization{Credentials: "hunter2"},
			OAuth2: &promconfig.OAuth2{ClientSecret: "hunter2"}, BearerToken: "hunter2", TLSConfig: promconfig.TLSConfig{Key: "hunter2"}}
		one.ProxyURL = promconfig.URL{URL: u}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				plant(v.Field(i), v.Type().Field(i).Tag.Get("yaml"))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		plant(v.Elem(), key)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		plant(v.Index(0), key)
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		value := reflect.New(v.Type().Elem()).Elem()
		plant(value, key)
		m.SetMapIndex(reflect.ValueOf("name"), value)
		v.Set(m)
	case reflect.String:
		v.SetString("https://user:hunter2@host.example/hunter2?key=hunter2")
		if strings.HasSuffix(key, "uri") {
			v.SetString("qemu+tls://user:hunter2@host.example/system?key=hunter2")
		}
		if key == "command" || key == "options" {
			v.SetString("hunter2")
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	default:
		v.SetUint(1)
	}
}

func TestNoSecretIsAmongTheSettings(t *testing.T) {
	var c config.Config
	plant(reflect.ValueOf(&c).Elem(), "")
	list := c.Settings(nil)
	if text := fmt.Sprint(list); strings.Contains(text, "hunter2") || strings.Contains(text, "user:") {
		for _, s := range list {
			if text := fmt.Sprint(s); strings.Contains(text, "hunter2") || strings.Contains(text, "user:") {
				t.Errorf("a secret gets out: %+v", s)
			}
		}
	}
	if len(list) < 150 {
		t.Errorf("only %d settings: something is left out", len(list))
	}
	open := map[string]bool{}
	for _, s := range list {
		open[s.Key] = !s.Restricted
	}
	for key, want := range map[string]bool{"cluster": true, "analysis.window": true, "hosts[0].name": true, "automation.level": true, "rules[0].vms": true, "runbooks[0].match": true, "schedules[0].name": true,
		"hosts[0].uri": false, "hosts[0].exporter": false, "hosts[0].fence[0].redfish": false, "hosts[0].fence[0].username": false, "hosts[0].wake_on_lan.mac": false, "hosts[0].fence[0].options": false, "failures.key_file": false,
		"api.tokens[0].name": false, "slack.channel": false, "remote_write[0].url": false, "alerting.alertmanagers[0].url": false, "alertmanager.token_file": false} {
		if got, there := open[key]; !there || got != want {
			t.Errorf("%s is there %v, and open to all %v", key, there, got)
		}
	}
}

func TestSettingsSayWhatIsTheDefault(t *testing.T) {
	c, err := config.Parse("x.yml", []byte(`
cluster: prod
hosts: [{name: h1, uri: "qemu+tls://h1/system", exporter: "h1:9177"}, {name: h2, uri: "qemu+tls://h2/system", exporter: "h2:9177", automation: off}]
reserve: {memory: 2GiB}
automation: {level: earned, ceiling: full, kinds: {evacuate: full}}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]cluster.Setting{}
	for _, s := range c.Settings(map[string]string{"automation.kinds.*": "the level of one kind", "hosts[].name": "what it is called"}) {
		got[s.Key] = s
	}
	for key, want := range map[string]cluster.Setting{
		"cluster":                     {Value: "prod", Default: "default", Set: true},
		"analysis.window":             {Value: "15m", Default: "15m"},
		"reserve.memory":              {Value: "2GiB", Default: "0", Set: true},
		"automation.level":            {Value: "earned", Default: "manual", Set: true},
		"automation.kinds.evacuate":   {Value: "full", Set: true, Meaning: "the level of one kind"},
		"automation.low_risk":         {Value: "rules", Default: "rules"},
		"automation.actions_per_hour": {Value: "60", Default: "60"},
		"hosts[1].name":               {Value: "h2", Set: true, Meaning: "what it is called"},
		"hosts[1].automation":         {Value: "off", Set: true},
		"hosts[0].uri":                {Value: "qemu+tls://h1/system", Set: true, Restricted: true},
		"rightsizing.idle_network":    {Value: "5KiB", Default: "5KiB"},
		"schedules":                   {},
	} {
		want.Key = key
		if s, there := got[key]; !there || s.Value != want.Value || s.Default != want.Default || s.Set != want.Set || s.Restricted != want.Restricted || want.Meaning != "" && s.Meaning != want.Meaning {
			t.Errorf("%s: %+v, want %+v", key, s, want)
		}
	}
	if _, there := got["hosts[0].automation"]; there {
		t.Error("what is not said of a host is listed")
	}
}
