package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
)

// decodeBody reads the request's body, which may be empty, and says what cannot be understood.
func decodeBody[T any](w http.ResponseWriter, r *http.Request) (T, error) {
	var v T
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil && len(bytes.TrimSpace(b)) > 0 {
		v, err = decodeOne[T](b)
	}
	if err != nil {
		return v, fmt.Errorf("read the body: %w", err)
	}
	return v, nil
}

// decodeOne reads one struct and nothing else.
func decodeOne[T any](b []byte) (T, error) {
	var v T
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return v, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return v, errors.New("there is more after the first value")
	}
	return v, misspelt[T](b)
}

// misspelt refuses names of fields in other letters than theirs, which the decoder lets pass.
func misspelt[T any](b []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(b, &given); err != nil {
		return err
	}
	for f := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		delete(given, name)
	}
	for name := range given {
		return fmt.Errorf("unknown field %q; names are written in small letters", name)
	}
	return nil
}
