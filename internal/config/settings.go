package config

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// public are the keys that say what is to happen. All others say where things are, or who may do what, and are restricted: a
// key that is new is so until it is named here.
func public() []string {
	return []string{"cluster", "shared_storage", "reserve.*", "scrape.interval", "scrape.timeout", "scrape.retention", "scrape.scheme", "analysis.*", "stability.*", "limits.*",
		"automation.*", "migration.*", "failures.*", "power.*", "rightsizing.*", "schedules[].*", "journal.*", "rules[].*", "external_labels.*",
		"alerting.own_rules", "alerting.evaluation_interval", "api.anonymous", "slack.snooze",
		"hosts[].name", "hosts[].failure_domain", "hosts[].tags", "hosts[].maintenance", "hosts[].automation", "hosts[].idle_watts", "hosts[].peak_watts", "hosts[].power_curve",
		"machines[].name", "machines[].tags",
		"runbooks[].name", "runbooks[].match", "runbooks[].dry_run", "runbooks[].blast_radius.*", "runbooks[].vm_label", "runbooks[].host_label", "runbooks[].name_label", "runbooks[].steps[].*"}
}

// restricted tells whether the key is none of those, or names a file.
func restricted(pattern string) bool {
	if strings.HasSuffix(pattern, "_file") {
		return true
	}
	return !slices.ContainsFunc(public(), func(p string) bool {
		section, all := strings.CutSuffix(p, "*")
		return p == pattern || all && strings.HasPrefix(pattern, section) || strings.HasPrefix(p, pattern+"[].") // an empty list
	})
}

// Settings lists what is in force, in the order of the keys in this package, with the defaults filled in and without secrets.
// Meanings has a sentence for keys, written with [] for the elements of a list and * for a name that is free.
func (c Config) Settings(meanings map[string]string) []cluster.Setting {
	s := settings{meanings: meanings}
	s.walk("", "", reflect.ValueOf(c), reflect.ValueOf(Default()))
	return s.list
}

type settings struct {
	meanings map[string]string
	list     []cluster.Setting
}

// walk goes down to single values. The default is not valid for what has none.
func (s *settings) walk(key, pattern string, v, def reflect.Value) {
	if text, ok := plain(pattern, v); ok {
		otherwise := ""
		if def.IsValid() {
			otherwise, _ = plain(pattern, def)
		}
		s.add(key, pattern, text, otherwise)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			s.walk(key, pattern, v.Elem(), reflect.Value{})
		}
	case reflect.Struct:
		s.fields(key, pattern, v, def)
	case reflect.Slice:
		if v.Len() == 0 {
			s.add(key, pattern, "", "")
		}
		for i := range v.Len() {
			s.walk(fmt.Sprintf("%s[%d]", key, i), pattern+"[]", v.Index(i), reflect.Value{})
		}
	case reflect.Map:
		s.entries(key, pattern, v)
	default: // what plain cannot write is not shown
	}
}

func (s *settings) fields(key, pattern string, v, def reflect.Value) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if !v.Type().Field(i).IsExported() || name == "" || name == "-" {
			continue
		}
		var otherwise reflect.Value
		if def.IsValid() {
			otherwise = def.Field(i)
		} else if zero(v.Field(i)) {
			continue // of an element of a list only what is said is shown
		}
		s.walk(strings.TrimPrefix(key+"."+name, "."), strings.TrimPrefix(pattern+"."+name, "."), v.Field(i), otherwise)
	}
}

func zero(v reflect.Value) bool {
	return v.IsZero() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

func (s *settings) entries(key, pattern string, v reflect.Value) {
	byName := map[string]reflect.Value{}
	for _, k := range v.MapKeys() {
		byName[k.String()] = v.MapIndex(k)
	}
	if len(byName) == 0 {
		s.add(key, pattern, "", "")
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		s.walk(key+"."+name, pattern+".*", byName[name], reflect.Value{})
	}
}

func (s *settings) add(key, pattern, text, otherwise string) {
	s.list = append(s.list, cluster.Setting{Key: key, Value: text, Default: otherwise, Set: text != otherwise, Restricted: restricted(pattern), Meaning: s.meaning(pattern)})
}

// meaning is the sentence on the key, or on what it stands in.
func (s *settings) meaning(pattern string) string {
	for at := pattern; at != ""; at = at[:max(0, strings.LastIndexAny(at, ".["))] {
		for _, form := range []string{at, at + ".*", at + "[]"} {
			if m, ok := s.meanings[form]; ok {
				return m
			}
		}
	}
	return ""
}

// unsaid stands for a value that is a secret, or may hold one.
const unsaid = "(not shown)"

// plain writes a value as one would in the file; ok is false for what consists of others.
func plain(pattern string, v reflect.Value) (text string, ok bool) {
	if opaque(pattern) {
		if zero(v) {
			return "", true
		}
		return unsaid, true
	}
	switch one := v.Interface().(type) {
	case Duration:
		return model.Duration(one).String(), true
	case Bytes:
		return sized(int64(one)), true
	case AutomationLevel:
		if one.Earned {
			return "earned", true
		}
		return one.Level.String(), true
	case Level:
		return cluster.Level(one).String(), true
	case RuleKind:
		return cluster.RuleKind(one).String(), true
	case RuleStrength:
		return cluster.RuleStrength(one).String(), true
	case HTTPClient:
		return one.parts(), true
	case promconfig.Secret:
		return unsaid, true
	case []string:
		clean := make([]string, len(one))
		for i, each := range one {
			clean[i] = scrubbed(pattern, each)
		}
		return strings.Join(clean, ", "), true
	case string:
		return scrubbed(pattern, one), true
	case time.Duration:
		return one.String(), true
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), true
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), true
	case reflect.Slice:
		return listed(pattern, v)
	default:
	}
	return "", false
}

// listed writes a list of what plain can write in square brackets, "" for an empty one.
func listed(pattern string, v reflect.Value) (text string, ok bool) {
	if k := v.Type().Elem().Kind(); k != reflect.Float64 && k != reflect.Slice {
		return "", false
	}
	if v.Len() == 0 {
		return "", true
	}
	parts := make([]string, v.Len())
	for i := range parts {
		if parts[i], ok = plain(pattern, v.Index(i)); !ok {
			return "", false
		}
	}
	return "[" + strings.Join(parts, "; ") + "]", true
}

// opaque are keys whose values may hold a secret among others: options of agents, and arguments of commands.
func opaque(pattern string) bool {
	return strings.HasPrefix(pattern, "hosts[].fence[].options") || pattern == "hosts[].shutdown.command"
}

// address is what has the form of a URL.
var address = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://\S+`)

// scrubbed is the text with addresses cut down to what is certainly no secret: without user, password and parameters and, where it is not
// libvirt's, path.
func scrubbed(pattern, text string) string {
	return address.ReplaceAllStringFunc(text, func(found string) string {
		u, err := url.Parse(found)
		if err != nil {
			return unsaid
		}
		short := url.URL{Scheme: u.Scheme, Host: u.Host}
		if strings.HasSuffix(pattern, "uri") {
			short.Path = u.Path
		}
		return short.String()
	})
}

// parts names what is set of how a server is reached.
func (h HTTPClient) parts() string {
	c := h.HTTPClientConfig
	var said []string
	for _, part := range []struct {
		name string
		set  bool
	}{{"basic_auth", c.BasicAuth != nil}, {"authorization", c.Authorization != nil}, {"oauth2", c.OAuth2 != nil}, {"bearer_token", c.BearerToken != "" || c.BearerTokenFile != ""},
		{"tls_config", !reflect.ValueOf(c.TLSConfig).IsZero()}, {"proxy_url", c.ProxyURL.URL != nil}, {"http_headers", c.HTTPHeaders != nil}} {
		if part.set {
			said = append(said, part.name+" "+unsaid)
		}
	}
	return strings.Join(said, ", ")
}

// sized writes a size with the largest unit that leaves it whole.
func sized(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	if n == 0 {
		return "0"
	}
	return strconv.FormatInt(n, 10) + units[i]
}
