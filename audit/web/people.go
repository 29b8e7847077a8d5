package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
)

const (
	// maxToken: browsers keep cookies of up to 4,096 bytes, with their name and attributes.
	maxToken = 3900
	// knownFor is how long it is believed whose a token is. One that is revoked shows pages for as long.
	knownFor = time.Minute
	// unknownFor keeps one who tries the same wrong token again from asking the API server each time.
	unknownFor = 10 * time.Second
	// maxPeople bounds those remembered: with their groups about a kilobyte each.
	maxPeople = 10_000
	// maxAsking bounds questions to the API server at one time, of all who look together.
	maxAsking = 16
)

// token is a bearer token. It does not print.
type token struct{ text string }

func (token) String() string   { return "(token)" }
func (token) GoString() string { return "(token)" }

var (
	errTokenEmpty = errors.New("there is no token; paste one, such as that of `kubectl create token NAME`")
	errTokenLong  = errors.New("the token is longer than the 3,900 bytes that a browser keeps; sign in with a shorter one, such as that of `kubectl create token NAME`")
	errTokenText  = errors.New("this is not a bearer token: there are characters in it that no token has; paste the token alone")
)

// readToken takes a token as people paste it; RFC 6750 says what is in one.
func readToken(text string) (token, error) {
	text = strings.TrimSpace(text)
	const inTokens = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/="
	foreign := func(r rune) bool { return !strings.ContainsRune(inTokens, r) }
	switch {
	case text == "":
		return token{}, errTokenEmpty
	case strings.ContainsFunc(text, foreign):
		return token{}, errTokenText
	case len(text) > maxToken:
		return token{}, errTokenLong
	}
	return token{text}, nil
}

// person is somebody whom the cluster knows.
type person struct {
	user authenticationv1.UserInfo
	key  [sha256.Size]byte // the same for whoever has the same rights
}

// people tells who presents a token.
type people struct {
	ask   func(context.Context, string) (authenticationv1.UserInfo, bool, error)
	known *memory[[sha256.Size]byte, *person] // by token; nil is nobody
	slots chan struct{}
}

// who is whose token it is; nil if it is nobody's. An error means that it is not known.
func (p *people) who(ctx context.Context, t token) (*person, error) {
	key := sha256.Sum256([]byte(t.text))
	if who, ok := p.known.get(key); ok {
		return who, nil
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	user, authenticated, err := p.ask(ctx, t.text)
	switch {
	case err != nil:
		return nil, err
	case !authenticated || user.Username == "":
		p.known.put(key, nil, unknownFor)
		return nil, nil
	}
	text, err := json.Marshal(user)
	if err != nil {
		return nil, err
	}
	who := &person{user: user, key: sha256.Sum256(text)}
	p.known.put(key, who, knownFor)
	return who, nil
}
