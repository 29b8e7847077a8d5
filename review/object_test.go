package review

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// respelt decodes a document and spells it in the one way encoding/json has for it.
func respelt(t testing.TB, text []byte, change func(doc map[string]any)) []byte {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if change != nil {
		change(doc)
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// pods are the members of an AdmissionReview's request that say it is about a Pod.
const pods = `"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"}`

func TestWithObjectPutsAnotherObjectInItsPlace(t *testing.T) {
	const before = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u",` + pods + `,"operation":%s,"name":"n"}}`
	for _, c := range []struct{ name, members, want, old string }{
		{"the object alone", `"CREATE","object":{"a":1}`, `"CREATE","object":{"b":22}`, ""},
		{"the old one after it", `"UPDATE","object": {"a":1} ,"oldObject":{"o":0}`, `"UPDATE","object": {"b":22} ,"oldObject":{"o":0}`, `{"o":0}`},
		{"the old one before it", `"UPDATE","oldObject":{"o":0},"object":{"a":1}`, `"UPDATE","oldObject":{"o":0},"object":{"b":22}`, `{"o":0}`},
		{"an empty object", `"CREATE","object":{}`, `"CREATE","object":{"b":22}`, ""},
		{"an old one of null", `"CREATE","object":{"a":1},"oldObject":null`, `"CREATE","object":{"b":22},"oldObject":null`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := fmt.Appendf(nil, before, c.members)
			req, _, err := DialectMutate(body)
			if err != nil {
				t.Fatal(err)
			}
			got := req.WithObject([]byte(`{"b":22}`))
			if want := fmt.Sprintf(before, c.want); string(got.Body) != want {
				t.Errorf("the body is %s, want %s", string(got.Body), want)
			}
			if string(got.Object) != `{"b":22}` || string(got.OldObject) != c.old {
				t.Errorf("the objects are %s and %s", string(got.Object), string(got.OldObject))
			}
			if string(req.Body) != fmt.Sprintf(before, c.members) {
				t.Error("the question it was made of has changed")
			}
			if again := got.WithObject([]byte(`{}`)).WithObject([]byte(`{"b":22}`)); string(again.Body) != string(got.Body) || string(again.OldObject) != c.old {
				t.Errorf("twice replaced it is %s", string(again.Body))
			}
		})
	}
}

func TestWithObjectLeavesAQuestionWithoutAnObjectAlone(t *testing.T) {
	for _, body := range []string{
		`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u",` + pods + `,"operation":"DELETE","object":null,"oldObject":{"a":1}}}`,
		`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u",` + pods + `,"operation":"DELETE"}}`,
	} {
		req, _, err := DialectMutate([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := req.WithObject([]byte(`{"b":2}`)); got != req {
			t.Errorf("it became %s", string(got.Body))
		}
	}
}

// Splicing an object in is the same as decoding the review, putting it there and spelling it again.
func FuzzWithObject(f *testing.F) {
	for _, members := range []string{
		`"CREATE","object":{}`, `"UPDATE","oldObject":{"a":[1]},"object":{"\u0061":"é"}`, `"CREATE","object" : {"a":1} , "oldObject" : null`, `"DELETE","object":null`,
	} {
		f.Add(fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u",`+pods+`,"operation":%s}}`, members), []byte(`{"b":22}`))
	}
	f.Fuzz(func(t *testing.T, body, object []byte) {
		req, _, err := DialectMutate(body)
		if err != nil || rawjson.Check(object) != nil || rawjson.NewDecoder(object).Kind() != rawjson.Object {
			return
		}
		kept := bytes.Clone(body)
		got := req.WithObject(object)
		if !bytes.Equal(body, kept) {
			t.Fatal("the bytes it was read from have changed")
		}
		if len(req.Object) == 0 {
			if got != req {
				t.Fatalf("an object came from nowhere: %s", string(got.Body))
			}
			return
		}
		want := respelt(t, body, func(doc map[string]any) {
			doc["request"].(map[string]any)["object"] = json.RawMessage(object)
		})
		if have := respelt(t, got.Body, nil); !bytes.Equal(have, respelt(t, want, nil)) {
			t.Fatalf("it became %s\nwant %s", have, want)
		}
		if !bytes.Equal(got.Object, object) || !bytes.Equal(got.OldObject, req.OldObject) {
			t.Fatalf("the objects are %s and %s", string(got.Object), string(got.OldObject))
		}
		reread, _, err := DialectMutate(got.Body)
		if err != nil || !bytes.Equal(reread.Object, bytes.TrimSpace(object)) || !bytes.Equal(reread.OldObject, got.OldObject) {
			t.Fatalf("read again it is %s %v", string(reread.Object), err)
		}
	})
}
