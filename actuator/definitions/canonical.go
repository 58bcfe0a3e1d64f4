package definitions

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// canonical reduces a definition to what a person or a program has set: without the domain's ID, without aliases and
// labels that libvirt makes up at each start, and without blanks between elements.
func canonical(text string) ([]byte, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	var out bytes.Buffer
	depth := 0
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth == 0 && t.Name.Local != "domain" {
				return nil, fmt.Errorf("it is a <%s>, not a <domain>", t.Name.Local)
			}
			if madeUp(t) {
				if err := d.Skip(); err != nil {
					return nil, err
				}
				continue
			}
			depth++
			fmt.Fprintf(&out, "<%s:%s", t.Name.Space, t.Name.Local)
			for _, a := range t.Attr {
				if depth > 1 || a.Name.Local != "id" {
					fmt.Fprintf(&out, " %s:%s=%q", a.Name.Space, a.Name.Local, a.Value)
				}
			}
			out.WriteByte('>')
		case xml.EndElement:
			depth--
			out.WriteString("</>")
		case xml.CharData:
			out.Write(bytes.TrimSpace(t))
		}
	}
	if out.Len() == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return out.Bytes(), nil
}

// madeUp tells whether libvirt has made the element up: an alias that no user gave, which would begin with ua-, or a label
// that changes with each start.
func madeUp(e xml.StartElement) bool {
	attr := func(name string) string {
		for _, a := range e.Attr {
			if a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	switch e.Name.Local {
	case "alias":
		return e.Name.Space == "" && !strings.HasPrefix(attr("name"), "ua-")
	case "seclabel":
		return attr("type") == "dynamic"
	}
	return false
}
