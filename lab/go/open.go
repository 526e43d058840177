package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"
)

const (
	leeway  = 5 * 60
	longest = 400 * 86400
	// Of two reasons, the later one here is that of the token that got further.
	reasons = "absent|malformed|unknown version|expired|expires too far|unknown key|not ours|incomplete|damaged|" +
		"unknown flags|started in future|too old|revoked|idle|unproven|payload"
)

// A kind of token: its first byte, the suffix of the name whose keys it has, the bytes before the check and least bytes
// after it, the bytes of the id or device that it names, and how far ahead it may expire.
type kind struct {
	first              byte
	suffix             string
	head, after, about int
	ahead              int64
}

var (
	inOne     = kind{1, "", 29, 25, 8, longest}
	inChunks  = kind{7, "", 30, 25, 8, longest}
	activity  = kind{2, "-seen", 17, 0, 8, longest}
	bound     = kind{3, "-seen", 33, 0, 8, longest}
	proof     = kind{4, "-proof", 29, 0, 16, longest}
	deviceKey = kind{5, "-key", 50, 0, 8, longest}
	register  = kind{6, "-register", 25, 0, 8, 60}
	refresh   = kind{6, "-refresh", 33, 0, 16, 60}

	text      = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	innermost = regexp.MustCompile(`[\[{][^\[\]{}]*[\]}]`)
	escape    = regexp.MustCompile(`\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..`)
	half      = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// Token is a claim until step 5. A session has its frame after step 6, and the device that it proved after step 8b.
type Token struct {
	kind
	root, bytes, frame, Device string
}

func (t *Token) Expires() int64  { return number(t.bytes[5:]) }
func (t *Token) About() string   { return t.bytes[9 : 9+t.about] } // session id or device
func (t *Token) Started() int64  { return number(t.frame) }
func (t *Token) Sealed() int64   { return number(t.frame[4:]) }
func (t *Token) Flags() byte     { return t.frame[8] }
func (t *Token) Payload() string { return t.frame[9:] }

// Reader has the settings. The second of two timeouts is that of remembered sessions. An idle timeout of 0 is none, and
// so is a lifetime of proofs of 0: there is no device binding.
type Reader struct {
	Ring                 map[string]string
	Name, Audience, Bind string
	Idle, Absolute       [2]int64
	Proof, CutOff        int64
	Revoked              map[string]bool
}

func (r *Reader) derive(label string, t *Token) string {
	return expand(t.root, label+u32(t.Expires()/86400)+lp(r.Name+t.suffix)+lp(r.Audience), 32)
}

func (r *Reader) ours(t *Token) bool {
	check := expand(r.derive("check key", t), t.bytes[:t.head]+r.Bind, 16)
	return hmac.Equal([]byte(check), []byte(t.bytes[t.head:t.head+16]))
}

func full(name string) int { return (4096 - len(name)) / 4 * 4 }

func decode(text string) string {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodeToString(b) != text {
		return ""
	}
	return string(b)
}

// claim takes steps 1 to 4.
func (r *Reader) claim(text string, most int, now int64, kinds ...kind) (*Token, string) {
	b := decode(text)
	if b == "" || len(text) > most {
		return nil, "malformed"
	}
	k := kinds[0]
	if k.first != b[0] {
		k = kinds[len(kinds)-1]
	}
	least := k.head + 16 + k.after
	if k.first != b[0] {
		return nil, "unknown version"
	} else if len(b) < least || k.after == 0 && len(b) > least ||
		k == inChunks && (len(text) != full(r.Name) || b[29] < 2 || b[29] > 4) {
		return nil, "malformed"
	}
	t := &Token{kind: k, root: r.Ring[b[1:5]], bytes: b}
	switch {
	case t.Expires() <= now:
		return nil, "expired"
	case t.Expires() > now+k.ahead+leeway:
		return nil, "expires too far"
	case t.root == "":
		return nil, "unknown key"
	}
	return t, ""
}

// verify takes steps 5 and 6 for a token of another kind than a session.
func (r *Reader) verify(t *Token, now int64) string {
	proven := number(t.bytes[t.head-4:])
	switch {
	case !r.ours(t):
		return "not ours"
	case t.kind == proof && proven > now+leeway:
		return "proven in future"
	case t.kind == proof && proven+r.Proof <= now:
		return "too old"
	case t.kind == deviceKey:
		if x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), []byte(t.bytes[17:50])); x == nil {
			return "damaged"
		}
	}
	return ""
}

// verified opens the first 8 of these tokens that name one of these sessions or devices.
func (r *Reader) verified(texts []string, now int64, about map[string]bool, kinds ...kind) (opened []*Token) {
	tried := 0
	for _, text := range texts {
		t, why := r.claim(text, 66, now, kinds...)
		if why != "" || !about[t.About()] || tried == 8 {
			continue
		}
		if tried++; r.verify(t, now) == "" {
			opened = append(opened, t)
		}
	}
	return opened
}

func values(cookies [][2]string, name string) (texts []string) {
	for _, cookie := range cookies {
		if cookie[0] == name {
			texts = append(texts, cookie[1])
		}
	}
	return texts
}

// open takes steps 5 to 7 for a session.
func (r *Reader) open(t *Token, cookies [][2]string, now int64) string {
	if !r.ours(t) {
		return "not ours"
	}
	body, tie, last := t.bytes[t.head+16:], t.bytes[t.head:t.head+6], int(t.bytes[29])
	for i := 2; t.kind == inChunks && i <= last; i++ {
		chunk, name := "", fmt.Sprint(r.Name, ".", i)
		for _, text := range values(cookies, name) {
			fits := len(text) == full(name) || i == last && len(text) > 8 && len(text) < full(name)
			if b := decode(text); chunk == "" && fits && strings.HasPrefix(b, tie) {
				chunk = b[6:]
			}
		}
		if body += chunk; chunk == "" {
			return "incomplete"
		}
	}
	block, _ := aes.NewCipher([]byte(expand(r.derive("seal key", t), t.bytes[:t.head]+r.Bind, 32)))
	gcm, _ := cipher.NewGCM(block)
	frame, err := gcm.Open(nil, make([]byte, 12), []byte(body), nil)
	t.frame = string(frame)
	switch {
	case err != nil:
		return "damaged"
	case t.Flags() > 1:
		return "unknown flags"
	case t.Started() > now+leeway:
		return "started in future"
	case t.Started()+r.Absolute[t.Flags()] <= now:
		return "too old"
	case t.Started() < r.CutOff || r.Revoked[t.About()]:
		return "revoked"
	}
	return ""
}

// active takes steps 8, 8b and 9. Of several devices that are proven, the one whose activity token expires last counts.
func (r *Reader) active(s *Token, seen, proofs []*Token, now int64) string {
	idle, why := r.Idle[s.Flags()], "idle"
	sort.SliceStable(seen, func(i, j int) bool { return seen[i].Expires() < seen[j].Expires() })
	for _, t := range seen {
		if t.About() != s.About() || t.Expires() > now+idle+leeway || idle == 0 {
			continue
		}
		for _, p := range proofs {
			if t.kind == bound && p.About() == t.bytes[17:33] {
				s.Device, why = p.About(), ""
			}
		}
		if t.kind == activity {
			why = ""
		} else if why == "idle" {
			why = "unproven"
		}
	}
	if idle != 0 && why != "" {
		return why
	} else if !deserialises(s.Payload()) {
		return "payload"
	}
	return ""
}

// deserialises says whether this is JSON that every reader takes.
func deserialises(payload string) bool {
	var value any
	if !utf8.ValidString(payload) || json.Unmarshal([]byte(payload), &value) != nil {
		return false
	}
	brackets := text.ReplaceAllString(payload, "")
	for level := 0; level < 127; level++ {
		brackets = innermost.ReplaceAllString(brackets, "")
	}
	return !strings.ContainsAny(brackets, "[{") && !half.MatchString(escape.ReplaceAllString(payload, " "))
}

// Open takes the cookies of a request, as name and value, and gives its session or the reason why there is none.
func (r *Reader) Open(cookies [][2]string, now int64) (*Token, string) {
	var sessions []*Token
	about, furthest, tried, kinds := map[string]bool{}, "absent", 0, []kind{activity, bound}
	note := func(why string) {
		if strings.Index(reasons, why) > strings.Index(reasons, furthest) {
			furthest = why
		}
	}
	for _, text := range values(cookies, r.Name) {
		t, why := r.claim(text, 4096-len(r.Name), now, inOne, inChunks)
		if why == "" && tried == 8 {
			continue
		}
		if why == "" {
			tried, why = tried+1, r.open(t, cookies, now)
		}
		if note(why); why == "" {
			sessions, about[t.About()] = append(sessions, t), true
		}
	}
	if r.Proof == 0 {
		kinds = kinds[:1]
	}
	seen := r.verified(values(cookies, r.Name+"-seen"), now, about, kinds...)
	for _, t := range seen {
		if t.kind == bound {
			about[t.bytes[17:33]] = true
		}
	}
	proofs := append(values(cookies, r.Name+"-proof"), values(cookies, r.Name+"-asked")...)
	sort.SliceStable(sessions, func(i, j int) bool { return sessions[i].frame[:8] > sessions[j].frame[:8] })
	for _, s := range sessions {
		if why := r.active(s, seen, r.verified(proofs, now, about, proof), now); why == "" {
			return s, ""
		} else {
			note(why)
		}
	}
	return nil, furthest
}
