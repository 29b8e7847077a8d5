package web

import (
	"net/url"
	"strconv"
	"strings"
)

// pathOf is a name as a part of a path; the slashes of constraints' names stay.
func pathOf(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

func number(n int) string { return strconv.Itoa(n) }
