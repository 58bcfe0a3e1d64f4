package api

import (
	_ "embed"
	"net/http"
)

// document is the API as an OpenAPI document: openapi.yaml, which a test holds against the routes and their answers.
//
//go:embed openapi.yaml
var document []byte

func showDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(document) // the client may be gone; there is nobody to tell
}
