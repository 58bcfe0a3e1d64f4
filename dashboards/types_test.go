package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The compiler checks every dashboard against the types with which Grafana's own programs are written. test/install test
// installs both.
func TestTheDashboardsHaveGrafanasTypes(t *testing.T) {
	tools, err := filepath.Abs(filepath.Join("..", "test", "dashboards"))
	if err != nil {
		t.Fatal(err)
	}
	compiler := filepath.Join(tools, "node_modules", "typescript", "bin", "tsc")
	if _, err := os.Stat(compiler); err != nil {
		t.Fatal("not checked against Grafana's types, which are missing: run test/install test, which installs them")
	}
	dir := t.TempDir()
	for _, name := range []string{"node_modules", "plain.ts", "tsconfig.json"} {
		if err := os.Symlink(filepath.Join(tools, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, wholes := built(t)
	for _, whole := range wholes {
		m := whole.(map[string]any)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(m["uid"])+".ts"), []byte(typed(t, m)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "node", "--preserve-symlinks", "--preserve-symlinks-main", compiler, "--preserveSymlinks", "-p", dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// A check that lets everything through would be worth nothing.
	wrong := strings.Replace(typed(t, wholes[0].(map[string]any)), `"colorMode":"value"`, `"colorMode":"loud"`, 1)
	if err := os.WriteFile(filepath.Join(dir, "wrong.ts"), []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := check(); err == nil || !strings.Contains(out, `"loud"`) {
		t.Errorf("a panel with a colour mode that is none passes: %v\n%s", err, out)
	}
}

// typed writes a dashboard as a program in which each part has its type.
func typed(t *testing.T, m map[string]any) string {
	t.Helper()
	var out strings.Builder
	out.WriteString("import type { Mark, Model, Panel, Row } from './plain';\n")
	value := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rest := map[string]any{}
	for key, v := range m {
		switch key {
		case "panels", "annotations":
		default:
			rest[key] = v
		}
	}
	var lines, kinds []string
	for i, p := range m["panels"].([]any) {
		kind := strings.ReplaceAll(p.(map[string]any)["type"].(string), "-", "")
		of := "Row"
		if kind != "row" {
			kinds = append(kinds, kind)
			of = fmt.Sprintf("Panel<%s.Options, %s>", kind, custom(kind))
		}
		lines = append(lines, fmt.Sprintf("export const panel%d: %s = %s;", i, of, value(p)))
	}
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		fmt.Fprintf(&out, "import type * as %s from '@grafana/schema/dist/esm/raw/composable/%s/panelcfg/x/%sPanelCfg_types.gen.js';\n", kind, kind, file(kind))
	}
	fmt.Fprintf(&out, "export const model: Model = %s;\n%s\nexport const marks: Mark[] = %s;\n", value(rest), strings.Join(lines, "\n"), value(m["annotations"].(map[string]any)["list"]))
	return out.String()
}

// custom is the type of a kind's own settings of fields; some have none.
func custom(kind string) string {
	if slices.Contains([]string{"stat", "bargauge"}, kind) {
		return "{}"
	}
	return kind + ".FieldConfig"
}

// file is how Grafana writes a kind of panel in the name of its file.
func file(kind string) string {
	return map[string]string{"timeseries": "TimeSeries", "stat": "Stat", "bargauge": "BarGauge", "statetimeline": "StateTimeline", "statushistory": "StatusHistory", "table": "Table"}[kind]
}
