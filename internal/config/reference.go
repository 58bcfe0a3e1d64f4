package config

import (
	"reflect"
	"strings"
)

// Key is one key that a configuration can have.
type Key struct {
	// Name is written with [] for the elements of a list and * for a name that is free.
	Name string
	// Type is what is written there, Default what holds without it; empty for nothing.
	Type, Default string
	Meaning       string
}

// Reference lists all keys there are, in the order of this package. Meanings are as for Settings.
func Reference(meanings map[string]string) []Key {
	r := reference{settings{meanings: meanings}, nil}
	r.walk("", reflect.TypeFor[Config](), reflect.ValueOf(Default()))
	return r.keys
}

type reference struct {
	settings
	keys []Key
}

// walk goes down to what is written as one value. The default is not valid for what has none.
func (r *reference) walk(pattern string, t reflect.Type, def reflect.Value) {
	if _, one := plain(pattern, reflect.New(t).Elem()); one {
		otherwise := ""
		if def.IsValid() {
			otherwise, _ = plain(pattern, def)
		}
		r.keys = append(r.keys, Key{pattern, typeName(t), otherwise, r.meaning(pattern)})
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		r.walk(pattern, t.Elem(), reflect.Value{})
	case reflect.Slice:
		r.walk(pattern+"[]", t.Elem(), reflect.Value{})
	case reflect.Map:
		r.walk(pattern+".*", t.Elem(), reflect.Value{})
	case reflect.Struct:
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			if !t.Field(i).IsExported() || name == "" || name == "-" {
				continue
			}
			var otherwise reflect.Value
			if def.IsValid() {
				otherwise = def.Field(i)
			}
			r.walk(strings.TrimPrefix(pattern+"."+name, "."), t.Field(i).Type, otherwise)
		}
	default: // what plain cannot write is no value of a key
	}
}

// typeName says in a word what is written for a value of the type.
func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return "size"
	case reflect.TypeFor[AutomationLevel](), reflect.TypeFor[Level]():
		return "level"
	case reflect.TypeFor[HTTPClient]():
		return "settings of an HTTP client, as in Prometheus"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "names and values"
	case reflect.Pointer:
		return typeName(t.Elem())
	default:
		return "text"
	}
}
