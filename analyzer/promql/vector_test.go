package promql

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func TestVectorsAreReadAsTheLibraryReadsThem(t *testing.T) {
	samples := model.Vector{}
	for i, value := range []model.SampleValue{0, 1.5, 1e300, -2e-7, 1 << 40} {
		samples = append(samples, &model.Sample{Metric: model.Metric{"vm": model.LabelValue(fmt.Sprintf("v%d", i)), "name": `ä "quoted" \ und <so>` + "\n"}, Value: value, Timestamp: model.Time(1764300000123 + i)})
	}
	samples = append(samples, &model.Sample{Metric: model.Metric{}, Value: 7, Timestamp: 1764300000000})
	for _, want := range []model.Vector{samples, {}} {
		result, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := readVector([]byte(`{"status":"success","data":{"resultType":"vector","result":` + string(result) + `,"analysis":{}},"infos":["x"]}`))
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%v %s", ok, diff)
		}
	}
}

func TestWhatIsNoPlainVectorIsLeftToTheLibrary(t *testing.T) {
	const good = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"2"]}]}}`
	if _, ok := readVector([]byte(good)); !ok {
		t.Fatal("a vector is none")
	}
	for _, change := range [][2]string{
		{`"success"`, `"error"`}, {`"vector"`, `"matrix"`}, {`"value":[1,"2"]`, `"histogram":[1,{}]`}, {`"value":[1,"2"]`, `"value":[1]`}, {`"value":[1,"2"]`, `"value":[1,"2","3"]`},
		{`"2"`, `"two"`}, {`"2"`, `2`}, {`,"value":[1,"2"]`, ``}, {`[1,`, `["x",`}, {`}]}}`, `}]},"warnings":["a store did not answer"]}`}, {`}]}}`, `}]}`}, {`}]}}`, `}]}} x`}, {`{"a":"b"}`, `{"a":1}`}, {good, ``}, {good, `[]`}, {good, `<html>`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if v, ok := readVector([]byte(text)); ok {
			t.Errorf("%s is read as %v", text, v)
		}
	}
}
