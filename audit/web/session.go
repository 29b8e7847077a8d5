package web

import (
	"context"
	"net/http"
	"strings"
)

// cookieName: browsers take a cookie of such a name only from the very host, by TLS, for all of its pages.
const cookieName = "__Host-portcullis"

// visit is somebody looking at a page.
type visit struct {
	who   *person
	token token
}

type visitKey struct{}

// signed shows a page to those whom the cluster knows, and sends browsers of others to sign in.
func (s *Server) signed(page func(http.ResponseWriter, *http.Request, *visit) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		t, given := presented(r)
		if !given {
			address := "/ui/sign-in"
			if r.URL.RequestURI() != "/ui/" {
				address += "?next=" + escaped(r.URL.RequestURI())
			}
			http.Redirect(w, r, address, http.StatusSeeOther) //nolint:gosec // it is the page to sign in at; what was asked for is a value in its query
			return nil
		}
		who, err := s.people.who(r.Context(), t)
		if err != nil {
			return s.unknown("who you are", err)
		}
		if who == nil {
			clearCookie(w)
			w.Header().Set("WWW-Authenticate", `Bearer realm="portcullis"`)
			return failure{
				http.StatusUnauthorized, "Nobody's token",
				"The cluster does not know whose token this is; it may have expired. Sign in again with another one, at /ui/sign-in.",
			}
		}
		v := &visit{who: who, token: t}
		*r = *r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		return page(w, r, v)
	}
}

// presented is the token a request comes with: that of the header before that of the cookie.
func presented(r *http.Request) (token, bool) {
	text := ""
	if scheme, credentials, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		text = credentials
	} else if cookie, err := r.Cookie(cookieName); err == nil {
		text = cookie.Value
	}
	t, err := readToken(text)
	return t, err == nil
}

// signInPage is what it shows.
type signInPage struct {
	Next  string
	Wrong string // what is wrong with the token
}

func (s *Server) askToken(w http.ResponseWriter, r *http.Request) error {
	return s.show(w, http.StatusOK, "sign-in", view{Title: "Sign in", Body: signInPage{Next: local(r.URL.Query().Get("next"))}})
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return failure{http.StatusBadRequest, "Not understood", "The form could not be read; it may be too long. A token has 3,900 bytes at most."}
	}
	again := signInPage{Next: local(r.PostForm.Get("next"))}
	t, err := readToken(r.PostForm.Get("token"))
	if err != nil {
		again.Wrong = sentence(err)
		return s.show(w, http.StatusBadRequest, "sign-in", view{Title: "Sign in", Body: again})
	}
	who, err := s.people.who(r.Context(), t)
	if err != nil {
		return s.unknown("who you are", err)
	}
	if who == nil {
		again.Wrong = "The cluster does not know whose token this is; it may have expired, or be of another cluster."
		return s.show(w, http.StatusUnauthorized, "sign-in", view{Title: "Sign in", Body: again})
	}
	http.SetCookie(w, cookie(t.text, 0))
	http.Redirect(w, r, again.Next, http.StatusSeeOther)
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	clearCookie(w)
	http.Redirect(w, r, "/ui/sign-in", http.StatusSeeOther)
	return nil
}

func clearCookie(w http.ResponseWriter) { http.SetCookie(w, cookie("", -1)) }

// cookie keeps a token in the browser until it is closed: any replica can read it there, and none has to remember who signed in.
func cookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// local is an address of ours to go to; anything else is the first page.
func local(address string) string {
	if strings.HasPrefix(address, "/ui/") && !strings.ContainsAny(address, "\\\r\n") && !strings.HasPrefix(address, "/ui/sign-") {
		return address
	}
	return "/ui/"
}
