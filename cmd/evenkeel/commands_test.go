package main

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// commands tells for each operation of the API which command asks for it; nothing for those that are for programs.
func commands() map[string]string {
	return map[string]string{
		"status": "status", "board": "status", "where": "where", "snapshot": "snapshot", "plan": "plan", "explain": "explain", "place": "place",
		"recommendations": "recommendations", "recommendation": "recommendations", "gates": "gates", "approve": "approve", "reject": "reject", "snooze": "snooze",
		"orders": "status", "order": "pause", "lift": "resume", "history": "history", "effects": "effects", "verifyJournal": "history", "reload": "reload", "profile": "profile",
		"ask":   "migrate",
		"hosts": "hosts", "failures": "failures", "captures": "captures", "definitions": "definitions", "dryRun": "migrate", "impact": "impact", "power": "power", "rightsizing": "rightsizing", "schedules": "schedules", "targets": "targets",
		"trends": "trends",
		"moves":  "moves", "journal": "journal", "autonomy": "autonomy", "config": "config",
		"runs": "runs", "beginRun": "runbook",
		"whoami": "whoami", "openapi": "", "healthy": "", "ready": "",
	}
}

func TestWhatTheAPICanDoTheCommandLineCanDo(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../internal/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{"": true}
	for _, c := range newRoot().Commands() {
		there[c.Name()] = true
	}
	seen := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			seen++
			if command, listed := commands()[op.OperationID]; !listed || !there[command] {
				t.Errorf("%s %s (%s): there is no command for it; give it one and name it in commands", method, path, op.OperationID)
			}
		}
	}
	if seen != len(commands()) {
		t.Errorf("%d operations and %d in commands: take out what is gone", seen, len(commands()))
	}
}
