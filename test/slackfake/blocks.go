package slackfake

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Block is a block of Block Kit, as far as evenkeel uses them.
type Block struct {
	Type     string    `json:"type"`
	ID       string    `json:"block_id,omitempty"`
	Text     *Text     `json:"text,omitempty"`
	Elements []Element `json:"elements,omitempty"`
}

// Text is a text object.
type Text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Element is a button, or a text in a context block.
type Element struct {
	Type     string          `json:"type"`
	ActionID string          `json:"action_id,omitempty"`
	Value    string          `json:"value,omitempty"`
	Style    string          `json:"style,omitempty"`
	Text     json.RawMessage `json:"text,omitempty"`
}

// Label is the text of a button.
func (e Element) Label() string {
	var t Text
	if json.Unmarshal(e.Text, &t) != nil {
		return ""
	}
	return t.Text
}

// Slack's limits on a message, in characters but the first. The one for all texts together is not documented and
// was found by others.
const (
	maxBlocks  = 50
	maxSection = 3000
	maxHeader  = 150
	maxLabel   = 75
	maxValue   = 2000
	maxID      = 255
	maxAll     = 11000
)

// fault returns what Slack has against the blocks, or "".
func fault(blocks []Block) string {
	if len(blocks) > maxBlocks {
		return "invalid_blocks"
	}
	all, ids := 0, map[string]bool{}
	for _, b := range blocks {
		if b.ID != "" && ids[b.ID] || len(b.ID) > maxID {
			return "invalid_blocks"
		}
		ids[b.ID] = true
		if b.Text != nil {
			n := utf8.RuneCountInString(b.Text.Text)
			all += n
			if n == 0 || n > maxSection || b.Type == "header" && n > maxHeader {
				return "invalid_blocks"
			}
		}
		if b.Type == "actions" && (len(b.Elements) == 0 || len(b.Elements) > 25) {
			return "invalid_blocks"
		}
		actions := map[string]bool{}
		for _, e := range b.Elements {
			if e.Type != "button" {
				continue
			}
			if n := utf8.RuneCountInString(e.Label()); n == 0 || n > maxLabel || len(e.Value) > maxValue || actions[e.ActionID] {
				return "invalid_blocks"
			}
			actions[e.ActionID] = true
		}
	}
	if all > maxAll {
		return "msg_blocks_too_long"
	}
	return ""
}

// Shows is all that a reader of the message sees.
func (m Message) Shows() string {
	if len(m.Blocks) == 0 {
		return m.Text
	}
	text := ""
	for _, b := range m.Blocks {
		if b.Text != nil {
			text += b.Text.Text + "\n"
		}
		for _, e := range b.Elements {
			if e.Type == "button" {
				text += "[" + e.Label() + "] "
			}
		}
		if len(b.Elements) > 0 {
			text += "\n"
		}
	}
	return text
}

// Button returns the button with the action, and of those the one whose value is as given where one is.
func (m Message) Button(action, value string) (Block, Element, error) {
	for _, b := range m.Blocks {
		for _, e := range b.Elements {
			if e.ActionID == action && (value == "" || e.Value == value) {
				return b, e, nil
			}
		}
	}
	return Block{}, Element{}, fmt.Errorf("the message has no button %q for %q; it shows:\n%s", action, value, m.Shows())
}
