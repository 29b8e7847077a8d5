package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/portcullis-dev/portcullis/policies/documents"
)

// applyConfig sets the flags a configuration file names, except those that the command line gave.
func applyConfig(flags *pflag.FlagSet, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	found, err := documents.Split(file, text)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	if len(found) != 1 {
		return fmt.Errorf("--config: %s: one document is expected, not %d", file, len(found))
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(found[0].JSON, &values); err != nil {
		return fmt.Errorf("--config: %s: the document should have the names of flags as keys", found[0].At())
	}
	given := map[string]bool{}
	flags.Visit(func(f *pflag.Flag) { given[f.Name] = true })
	for name, value := range values {
		at := fmt.Sprintf("--config: %s:%d", file, rowOfKey(string(text), name))
		if flags.Lookup(name) == nil || name == "config" || name == "help" {
			return fmt.Errorf("%s: there is no flag --%s", at, name)
		}
		if given[name] {
			continue
		}
		texts, err := scalars(value)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", at, name, err)
		}
		for _, t := range texts {
			if err := flags.Set(name, t); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		}
	}
	return nil
}

// scalars reads one value or a list of them, as the texts a flag takes.
func scalars(value json.RawMessage) ([]string, error) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		list = []json.RawMessage{value}
	}
	var out []string
	for _, item := range list {
		var text string
		switch {
		case json.Unmarshal(item, &text) == nil:
			out = append(out, text)
		case len(item) > 0 && (item[0] == '{' || item[0] == '[') || string(item) == "null":
			return nil, fmt.Errorf("a text, a number, a boolean or a list of them should stand here")
		default:
			out = append(out, string(item))
		}
	}
	return out, nil
}

// rowOfKey finds the row of a key at the top of a YAML text.
func rowOfKey(text, key string) int {
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.Trim(line, `"{ `), key) {
			return i + 1
		}
	}
	return 1
}
