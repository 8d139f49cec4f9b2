package protocol

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// names are the values bound in a case.
type names map[string]any

// fill replaces ${NAME} by the value bound to NAME.
func (n names) fill(text string) string {
	if strings.Contains(text, "${4097}") {
		text = strings.ReplaceAll(text, "${4097}", strings.Repeat("x", 4097))
	}
	for name, value := range n {
		text = strings.ReplaceAll(text, "${"+name+"}", fmt.Sprint(value))
	}
	return text
}

// match compares a message with the expected one. Errors say where they differ.
func (n names) match(want, got string) error {
	var w, g any
	d := json.NewDecoder(strings.NewReader(n.fill(want)))
	d.UseNumber()
	if err := d.Decode(&w); err != nil {
		return fmt.Errorf("the transcript is no JSON: %w", err)
	}
	d = json.NewDecoder(strings.NewReader(got))
	d.UseNumber()
	if err := d.Decode(&g); err != nil {
		return fmt.Errorf("the message is no JSON: %w", err)
	}
	return n.value("", w, g)
}

func (n names) value(at string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object: %v", at, got)
		}
		for field, w := range want {
			value, there := g[field]
			if w == "$absent" {
				if there {
					return fmt.Errorf("%s.%s is there: %v", at, field, value)
				}
				continue
			}
			if !there {
				return fmt.Errorf("%s.%s is missing", at, field)
			}
			if err := n.value(at+"."+field, w, value); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			return fmt.Errorf("%s is not an array of %d: %v", at, len(want), got)
		}
		for i, w := range want {
			if err := n.value(fmt.Sprintf("%s[%d]", at, i), w, g[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if strings.HasPrefix(want, "$") {
			return n.pattern(at, want, got)
		}
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s is %v, not %v", at, got, want)
	}
	return nil
}

func (n names) pattern(at, want string, got any) error {
	ok := false
	text, isText := got.(string)
	switch {
	case want == "$any":
		ok = true
	case want == "$number":
		_, ok = got.(json.Number)
	case want == "$string":
		ok = isText
	case want == "$time":
		_, err := time.Parse(time.RFC3339Nano, text)
		ok = isText && err == nil
	case strings.HasPrefix(want, "$="):
		bound, known := n[want[2:]]
		if !known {
			n[want[2:]] = got
		}
		ok = !known || fmt.Sprint(bound) == fmt.Sprint(got)
	}
	if !ok {
		return fmt.Errorf("%s is %v, not %s", at, got, want)
	}
	return nil
}
