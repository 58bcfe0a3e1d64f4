// Package layers holds the map of the house as a test: which room stands on which level, and what
// each level may import and touch. The files are parsed rather than listed by the go command, so
// that no test cache serves an old answer.
package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/evenkeel/evenkeel/"

// room is one directory with its level and, beside level 0, the rooms that it may know. A room of level
// 4 that lists none may know all.
type room struct {
	level int
	knows []string
	why   string
}

// house is the map. A new room is a line here and a note in docs/decisions.
func house() map[string]room {
	return map[string]room{
		"internal/cluster": {level: 0, why: "the vocabulary"},
		"exporter/stat":    {level: 0, knows: []string{"internal/cluster"}, why: "plain values of a reading"},

		"analyzer/admission": {level: 1, why: "judgement: which failures the cluster would survive"},

		"analyzer/detect":      {level: 1, knows: []string{"analyzer/admission"}, why: "judgement: what is wrong"},
		"analyzer/plan":        {level: 1, knows: []string{"analyzer/admission", "analyzer/consolidate"}, why: "judgement: what would help"},
		"analyzer/rightsize":   {level: 1, knows: []string{"analyzer/plan"}, why: "judgement: which VMs do nothing or have too much"},
		"analyzer/consolidate": {level: 1, why: "judgement: which hosts could sleep"},
		"analyzer/forecast":    {level: 1, why: "judgement: what is to be expected of the coming hour, and whether to believe it"},
		"actuator/gate":        {level: 1, why: "judgement: may we, now"},
		"actuator/verdict":     {level: 1, why: "judgement: what has become of a host"},
		"actuator/recovery":    {level: 1, knows: []string{"actuator/gate", "analyzer/plan"}, why: "judgement: what failed, and what to do about it"},
		"actuator/schedule":    {level: 1, why: "judgement: what the schedules ask for, and what came of them"},
		"actuator/trust":       {level: 1, why: "judgement: how far a kind of action is trusted to happen by itself"},

		"exporter": {level: 2, why: "frame of the metric families"},
		"analyzer": {level: 2, knows: []string{"analyzer/admission", "analyzer/detect", "analyzer/plan"}, why: "the loop and the board"},
		"actuator": {level: 2, knows: []string{"actuator/gate", "actuator/trust"}, why: "the loop and the inbox"},

		"actuator/watch":    {level: 2, knows: []string{"actuator/verdict"}, why: "the loop that looks after the hosts"},
		"actuator/energy":   {level: 2, why: "the loop that looks after what hosts draw, and what they saved"},
		"actuator/failover": {level: 2, knows: []string{"actuator/recovery"}, why: "the loop that looks after failures"},

		"actuator/timetable": {level: 2, knows: []string{"actuator/schedule"}, why: "the loop that does what the schedules ask for"},

		"internal/tracing":           {level: 3, why: "what was done for a recommendation, told to whoever listens"},
		"internal/tracing/collector": {level: 3, knows: []string{"internal/tracing"}, why: "adapter: an OpenTelemetry collector; off by default"},
		"internal/virt":              {level: 3, knows: []string{"internal/tracing"}, why: "libvirt connections with deadlines, under the two rooms that speak libvirt"},
		"exporter/libvirt":           {level: 3, knows: []string{"internal/virt"}, why: "adapter: reads libvirt"},
		"exporter/machine":           {level: 3, why: "adapter: reads the Linux machine"},
		"exporter/heartbeat":         {level: 3, why: "adapter: stamps on shared storage"},
		"exporter/neighbours":        {level: 3, why: "adapter: whether other hosts answer"},
		"actuator/hypervisor":        {level: 3, knows: []string{"internal/virt", "internal/permit"}, why: "adapter: migrates through libvirt"},
		"analyzer/promql":            {level: 3, knows: []string{"analyzer/forecast"}, why: "adapter: Prometheus to snapshot"},
		"actuator/fence":             {level: 3, knows: []string{"internal/secret", "internal/permit", "internal/tracing"}, why: "adapter: turns hosts off and on through fence agents and Redfish"},
		"actuator/power":             {level: 3, knows: []string{"internal/permit"}, why: "adapter: shuts hosts down and wakes them, over what fences them"},
		"actuator/definitions":       {level: 3, knows: []string{"internal/secret"}, why: "adapter: bbolt; what VMs are defined by, encrypted, on whatever shelf it stands"},
		"actuator/memory":            {level: 3, why: "adapter: files; what rooms must not forget, for the next start"},
		"actuator/capture":           {level: 3, why: "adapter: files; what VMs showed before they were reset"},
		"actuator/journal":           {level: 3, why: "adapter: bbolt; the chain of what was done, on whatever shelf it stands"},
		"actuator/etcdstore":         {level: 3, knows: []string{"actuator/journal", "actuator/definitions", "actuator/memory"}, why: "adapter: etcd; who leads, and what a server must not forget"},
		"actuator/slack":             {level: 3, why: "adapter: Slack"},
		"actuator/runbook":           {level: 3, why: "adapter: Alertmanager's notifications to runs of runbooks"},
		"internal/engine":            {level: 3, why: "adapter: the embedded Prometheus"},
		"dashboards":                 {level: 3, why: "adapter: Grafana; what it is to show, and what was done"},
		"alerts":                     {level: 3, why: "rules for Prometheus, as files"},
		"docs":                       {level: 3, why: "pages of the documentation, as files"},
		"internal/permit":            {level: 3, why: "whether something may still be changed, asked in front of the call"},
		"internal/secret":            {level: 3, why: "files that hold secrets, under the rooms that read them"},
		"internal/config":            {level: 3, knows: []string{"internal/secret"}, why: "adapter: the configuration file"},
		"internal/simulator":         {level: 3, knows: []string{"analyzer/forecast"}, why: "adapter: a cluster that does not exist, on a virtual clock"},
		"internal/rehearsal":         {level: 3, knows: []string{"analyzer", "analyzer/plan", "actuator/gate", "internal/simulator"}, why: "runs the analyzer and the gates against the simulator"},
		"internal/year":              {level: 3, knows: []string{"analyzer", "analyzer/admission", "analyzer/detect", "analyzer/plan", "actuator/gate", "internal/rehearsal", "internal/simulator"}, why: "a year of days on which hosts sleep, and who watches that it goes well"},
		"internal/planetlab":         {level: 3, knows: []string{"analyzer/consolidate"}, why: "adapter: a published workload on the cluster and by the rules of its paper"},
		"internal/calamity":          {level: 3, knows: []string{"actuator/gate", "actuator/recovery", "actuator/verdict", "analyzer/plan"}, why: "adapter: a world in which things break, for the judgement on failures"},
		"internal/api":               {level: 3, knows: []string{"analyzer", "analyzer/plan", "analyzer/admission", "analyzer/rightsize", "actuator", "actuator/recovery", "actuator/trust"}, why: "face: HTTP server and client of what the loops show"},
		"internal/oidc":              {level: 3, why: "adapter: an OpenID provider; who somebody is"},
		"internal/console":           {level: 3, knows: []string{"internal/api", "internal/oidc"}, why: "face: pages for people, made of what the API says to them"},

		"internal/browsertest":                 {level: 3, why: "a real browser for tests of the console; only tests import it"},
		"actuator/definitions/definitionstest": {level: 3, knows: []string{"actuator/definitions"}, why: "what every shelf of definitions must do; only tests import it"},
		"actuator/memory/memorytest":           {level: 3, knows: []string{"actuator/memory"}, why: "what every place of memory must do; only tests import it"},
		"actuator/journal/journaltest":         {level: 3, knows: []string{"actuator/journal"}, why: "what every shelf of the journal must do; only tests import it"},

		"internal/clustertest": {level: 3, why: "random clusters for the laws; only tests import it"},
		"internal/relaytest":   {level: 3, why: "cuts programs off from what they speak to, and finds free ports; only tests import it"},

		"cmd/evenkeel":          {level: 4, why: "wiring: knows every room"},
		"cmd/evenkeel-exporter": {level: 4, knows: []string{"internal/command"}, why: "the exporter alone, for the hosts"},
		"internal/command": {level: 4, knows: []string{"exporter", "exporter/libvirt", "exporter/machine", "exporter/heartbeat", "exporter/neighbours"},
			why: "wiring that both programs share; the server's rooms would make the hosts' program large"},
		"test/bench":     {level: 4, why: "measures the program beside others"},
		"test/checker":   {level: 4, knows: []string{"test/checker"}, why: "checks plans by the file formats alone; its own test keeps it from knowing any room"},
		"test/peers":     {level: 4, knows: []string{"internal/cluster"}, why: "measures the planner beside others, by its command line"},
		"test/scale":     {level: 4, knows: []string{"internal/cluster", "exporter", "exporter/stat"}, why: "measures a server with a large cluster, by its command line and its API"},
		"test/slackfake": {level: 4, knows: []string{"test/slackfake"}, why: "stands in for Slack in tests; it knows no room, so that it cannot agree with ours by mistake"},
	}
}

// pureImports is the standard library that levels 0 and 1 may use: nothing that touches the world.
func pureImports() []string {
	return []string{"bytes", "cmp", "container/heap", "crypto/sha256", "encoding", "encoding/hex", "encoding/json", "errors", "fmt", "io", "iter", "maps",
		"math", "path", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8"}
}

// loopImports is what level 2 may use beyond that: contexts, timers, logs, locks, and the metrics
// library and its data model, whose values are the exporter's product and the loops' own report.
func loopImports() []string {
	return append(pureImports(), "context", "log/slog", "sync", "sync/atomic", "github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_model/go")
}

// worldly are the calls that read a clock or start something although their package may be used.
func worldly() []string {
	return []string{"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.Sleep", "time.Tick",
		"time.NewTimer", "time.NewTicker", "fmt.Print", "fmt.Printf", "fmt.Println", "fmt.Scan", "fmt.Scanln", "fmt.Scanf"}
}

func TestEveryRoomStandsOnTheMap(t *testing.T) {
	rooms := house()
	seen := map[string]bool{}
	for dir := range sources(t) {
		seen[dir] = true
		if _, ok := rooms[dir]; !ok && dir != "internal/layers" {
			t.Errorf("%s is not on the map: add it to house with its level and why, and a note in docs/decisions", dir)
		}
	}
	for dir := range rooms {
		if !seen[dir] {
			t.Errorf("%s is on the map and not in the house", dir)
		}
	}
}

func TestImportsFollowTheLevels(t *testing.T) {
	for dir, files := range sources(t) {
		r, ok := house()[dir]
		if !ok {
			continue
		}
		for name, f := range files {
			for _, path := range imports(f) {
				if why := forbidden(r, path); why != "" {
					t.Errorf("%s imports %s: %s", name, path, why)
				}
			}
		}
	}
}

func TestPureRoomsReadNoClock(t *testing.T) {
	for dir, files := range sources(t) {
		if r, ok := house()[dir]; !ok || r.level > 1 {
			continue
		}
		for name, f := range files {
			for _, w := range offences(f) {
				t.Errorf("%s: %s", name, w)
			}
		}
	}
}

func TestTheRulesCatchOffenders(t *testing.T) {
	cases := []struct {
		room, path string
		bad        bool
	}{
		{"analyzer/detect", "os", true},
		{"analyzer/detect", "net/http", true},
		{"analyzer/detect", module + "internal/cluster", false},
		{"analyzer/detect", module + "analyzer/plan", true},
		{"analyzer/detect", module + "analyzer/admission", false},
		{"analyzer/admission", module + "analyzer/plan", true},
		{"analyzer", module + "actuator", true},
		{"actuator", module + "analyzer", true},
		{"exporter", module + "analyzer", true},
		{"analyzer", module + "analyzer/promql", true},
		{"analyzer/promql", module + "internal/engine", true},
		{"actuator/hypervisor", module + "internal/virt", false},
		{"internal/api", module + "actuator", false},
		{"internal/simulator", module + "analyzer", true},
		{"internal/rehearsal", module + "analyzer", false},
		{"internal/rehearsal", module + "internal/engine", true},
		{"cmd/evenkeel", module + "internal/engine", false},
		{"cmd/evenkeel-exporter", module + "internal/command", false},
		{"cmd/evenkeel-exporter", module + "internal/engine", true},
		{"internal/command", module + "internal/engine", true},
		{"internal/command", module + "analyzer", true},
		{"exporter/libvirt", module + "internal/command", true},
		{"actuator/slack", module + "actuator", true},
		{"actuator/runbook", module + "actuator", true},
		{"actuator/runbook", module + "actuator/slack", true},
		{"test/slackfake", module + "actuator/slack", true},
		{"actuator/fence", module + "internal/secret", false},
		{"actuator", module + "actuator/fence", true},
	}
	for _, c := range cases {
		if got := forbidden(house()[c.room], c.path) != ""; got != c.bad {
			t.Errorf("forbidden(%s, %s) = %v, want %v", c.room, c.path, got, c.bad)
		}
	}
	src := `package p
import "time"
var cache = map[string]int{}
func f() time.Time { return time.Now() }
func init() {}`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := offences(f); len(got) != 3 {
		t.Errorf("offences found %q, want the clock, the variable and the init", got)
	}
}

// forbidden says why a room may not import the path, or "".
func forbidden(r room, path string) string {
	if own, ok := strings.CutPrefix(path, module); ok {
		if r.level == 4 && r.knows == nil || own == "internal/cluster" || slices.Contains(r.knows, own) {
			return ""
		}
		if r.level >= 2 && house()[own].level == 0 {
			return ""
		}
		return fmt.Sprintf("a room of level %d knows level 0 and %v only", r.level, r.knows)
	}
	switch r.level {
	case 0, 1:
		if !slices.Contains(pureImports(), path) {
			return "levels 0 and 1 are pure: see pureImports"
		}
	case 2:
		if !slices.Contains(loopImports(), path) {
			return "loops reach the world through their own interfaces: see loopImports"
		}
	}
	return ""
}

// offences lists what a pure room may not contain: clocks, output, package variables and init.
func offences(f *ast.File) []string {
	var found []string
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				found = append(found, "it has a package variable; use a function or a constant")
			}
		case *ast.FuncDecl:
			if d.Name.Name == "init" && d.Recv == nil {
				found = append(found, "it has an init function")
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains(worldly(), pkg.Name+"."+sel.Sel.Name) {
			found = append(found, "it calls "+pkg.Name+"."+sel.Sel.Name+"; take it as an argument")
		}
		return true
	})
	return found
}

func imports(f *ast.File) []string {
	var paths []string
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			panic(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// sources parses every Go file that is not a test, by directory.
func sources(t *testing.T) map[string]map[string]*ast.File {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string]map[string]*ast.File{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(rel))
		if found[dir] == nil {
			found[dir] = map[string]*ast.File{}
		}
		found[dir][rel] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("no Go file found: the test looks in the wrong place")
	}
	return found
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for dir, files := range sources(t) {
		documented := false
		for _, f := range files {
			documented = documented || f.Doc != nil
		}
		if !documented {
			t.Errorf("%s has no package comment", dir)
		}
	}
}
