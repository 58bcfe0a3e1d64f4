package hypervisor

import (
	"bytes"
	"image/color"
	"image/png"
	"strings"
	"testing"
)

func TestAScreenBecomesAPNG(t *testing.T) {
	got, err := asPNG([]byte("P6\n2 1\n255\n\x01\x02\x03\x0a\x20\xff"))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(got))
	if err != nil || picture.Bounds().Dx() != 2 || picture.Bounds().Dy() != 1 {
		t.Fatalf("%v %v", picture, err)
	}
	for x, want := range []color.NRGBA{{1, 2, 3, 255}, {10, 32, 255, 255}} {
		if at := color.NRGBAModel.Convert(picture.At(x, 0)); at != want {
			t.Errorf("point %d is %v, want %v", x, at, want)
		}
	}
	if again, err := asPNG(got); err != nil || !bytes.Equal(again, got) {
		t.Errorf("a PNG is not taken as it is: %v", err)
	}
	for _, lie := range []string{"", "P6", "P6\n", "P5\n1 1\n255\nxxx", "P6\n2 1\n65535\nxxxxxx", "P6\n2 1\n255\nxxxxx", "P6\n-1 -1\n255\nxxx", "P6\n99999999 99999999\n255\nx", "P6\n# " + strings.Repeat("x", 100)} {
		if _, err := asPNG([]byte(lie)); err == nil {
			t.Errorf("%q passes for a picture", lie)
		}
	}
}
