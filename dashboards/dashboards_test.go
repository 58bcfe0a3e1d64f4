package dashboards

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the dashboards' files anew")

// The files are what people import and provision; make generate writes them.
func TestTheFilesAreCurrent(t *testing.T) {
	if *update {
		if _, err := Write("."); err != nil {
			t.Fatal(err)
		}
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		file, err := os.ReadFile(d.File())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(file), string(d.JSON)); diff != "" {
			t.Errorf("%s is old: run make generate (-file +code):\n%s", d.File(), diff)
		}
	}
}
