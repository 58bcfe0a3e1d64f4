package api_test

import (
	"reflect"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// filled returns a value with something in every field, so that its JSON has every property.
func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), "")
	return v
}

// word is a string that is allowed where the property of that name takes only certain words.
func word(property string) string {
	words := map[string]string{"detector": "imbalance", "detectors": "imbalance", "gate": "level", "policy": "balance", "subject": "cluster",
		"constraint": "rule", "hash": strings.Repeat("ab", 32), "effect": cluster.CPUUtilisation}
	if w, ok := words[property]; ok {
		return w
	}
	return "x"
}

func fill(v reflect.Value, property string) {
	switch one := v.Addr().Interface().(type) {
	case *time.Time:
		*one = at()
		return
	case *cluster.Number:
		*one = cluster.Known(0.5)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if v.Type() == reflect.TypeFor[cluster.Effect]() && name == "name" {
				name = "effect"
			}
			fill(v.Field(i), name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), property)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), property)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"alertname": "VMDown"}))
	case reflect.String:
		v.SetString(word(property))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	default: // the enumerations and the journal's numbers
		v.SetUint(1)
	}
}
