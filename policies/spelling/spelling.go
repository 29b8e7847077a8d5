// Package spelling finds what a misspelt name was meant to be, and spells lists.
package spelling

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns the one of names that text is most likely a slip of, whatever the case, or "".
func Nearest(text string, names ...string) string {
	text = strings.ToLower(text)
	if len(text) > 64 { // no name is as long, and the distance takes time
		return ""
	}
	away := func(name string) int { return distance(text, strings.ToLower(name)) }
	if len(names) == 0 {
		return ""
	}
	best := slices.MinFunc(names, func(a, b string) int { return cmp.Compare(away(a), away(b)) })
	// One slip in a name of three letters, two in a longer one.
	if away(best) > min(2, (len(best)+2)/3) {
		return ""
	}
	return best
}

// distance counts the letters to add, leave out, change or swap with the next to make one text of the other.
func distance(a, b string) int {
	before, last := []int{}, make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			changed := last[j]
			if a[i] != b[j] {
				changed++
			}
			row[j+1] = min(changed, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// Listed makes "a, b and c" of names, or with another last word "a, b or c".
func Listed(names []string, word string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + word + " " + names[len(names)-1]
}
