package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	leeway  = 5 * 60
	longest = 400 * 86400
	// Of two reasons, the later one here is that of the token that got further. Two lines of the table say malformed.
	reasons = "absent|malformed: text|unknown version|malformed: length|expired|expires too far|unknown key|not ours|" +
		"incomplete|damaged|unknown flags|started in future|too old|revoked|idle|unproven|payload"
)

// A kind of token: its first byte, the suffix of the name whose keys it has, the bytes before the check and least bytes
// after it, the bytes of the id or device that it names, and how far ahead it may expire.
type kind struct {
	first        byte
	suffix       string
	head, body   int
	about, ahead int64
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
)

// Token has passed steps 1 to 4. What it says is a claim until its check is verified. A session has a frame after step 6.
type Token struct {
	kind
	root, bytes, frame string
	Device             string // that was proven for this session
}

func (t *Token) About() string   { return t.bytes[9 : 9+t.about] }
func (t *Token) Expires() int64  { return number(t.bytes[5:9]) }
func (t *Token) Started() int64  { return number(t.frame) }
func (t *Token) Sealed() int64   { return number(t.frame[4:]) }
func (t *Token) Flags() byte     { return t.frame[8] }
func (t *Token) Payload() string { return t.frame[9:] }

// Reader has the settings. In pairs, the second timeout is that of remembered sessions; 0 is none.
type Reader struct {
	Ring                 map[string]string
	Name, Audience, Bind string
	Idle, Absolute       [2]int64
	Proof, CutOff        int64 // Proof is the lifetime of proofs, 0 without device binding
	Revoked              map[string]bool
}

// rule is a line of a table: when the token is refused, and why.
type rule struct {
	refused bool
	why     string
}

func first(rules ...rule) string {
	for _, rule := range rules {
		if rule.refused {
			return rule.why
		}
	}
	return ""
}

func (r *Reader) derive(label string, t *Token) string {
	return expand(t.root, label+u32(t.Expires()/86400)+lp(r.Name+t.suffix)+lp(r.Audience), 32)
}

func (r *Reader) notOurs(t *Token) bool {
	check := expand(r.derive("check key", t), t.bytes[:t.head]+r.Bind, 16)
	return !hmac.Equal([]byte(check), []byte(t.bytes[t.head:t.head+16]))
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
		return nil, "malformed: text"
	}
	for _, k := range kinds {
		if k.first != b[0] {
			continue
		}
		least := k.head + 16 + k.body
		if len(b) < least || k.body == 0 && len(b) > least ||
			k == inChunks && (len(text) != full(r.Name) || b[29] < 2 || b[29] > 4) {
			return nil, "malformed: length"
		}
		t := &Token{kind: k, root: r.Ring[b[1:5]], bytes: b}
		return t, first(
			rule{t.Expires() <= now, "expired"},
			rule{t.Expires() > now+k.ahead+leeway, "expires too far"},
			rule{t.root == "", "unknown key"})
	}
	return nil, "unknown version"
}

// verify takes steps 5 and 6 for a token of another kind than a session.
func (r *Reader) verify(t *Token, now int64) string {
	proven, x := number(t.bytes[t.head-4:]), &big.Int{}
	if t.kind == deviceKey {
		x, _ = elliptic.UnmarshalCompressed(elliptic.P256(), []byte(t.bytes[17:50]))
	}
	return first(
		rule{r.notOurs(t), "not ours"},
		rule{t.kind == proof && proven > now+leeway, "proven in future"},
		rule{t.kind == proof && proven+r.Proof <= now, "too old"},
		rule{x == nil, "damaged"})
}

// verified are the tokens in the cookies of this kind that open. The first 8 are tried that name one of these sessions or devices.
func (r *Reader) verified(cookies [][2]string, now int64, about map[string]bool, kinds ...kind) (opened []*Token) {
	tried := 0
	for _, cookie := range cookies {
		t, why := r.claim(cookie[1], 66, now, kinds...)
		if cookie[0] != r.Name+kinds[0].suffix || why != "" || !about[t.About()] || tried == 8 {
			continue
		}
		if tried++; r.verify(t, now) == "" {
			opened = append(opened, t)
		}
	}
	return opened
}

// lifetime is which timeouts hold for a session.
func (r *Reader) lifetime(t *Token) byte {
	if r.Absolute[1] == 0 {
		return 0
	}
	return t.Flags() & 1
}

// open takes steps 5 to 7 for a session.
func (r *Reader) open(t *Token, cookies [][2]string, now int64) string {
	if r.notOurs(t) {
		return "not ours"
	}
	body, tie := t.bytes[t.head+16:], t.bytes[t.head:t.head+6]
	for i := 2; t.kind == inChunks && i <= int(t.bytes[29]); i++ {
		chunk, name, last := "", fmt.Sprint(r.Name, ".", i), i == int(t.bytes[29])
		for _, cookie := range cookies {
			b := decode(cookie[1])
			if size := len(cookie[1]); chunk == "" && cookie[0] == name && strings.HasPrefix(b, tie) &&
				(size == full(name) || last && size > 8 && size < full(name)) {
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
	if t.frame = string(frame); err != nil {
		return "damaged"
	}
	return first(
		rule{t.Flags() > 1, "unknown flags"},
		rule{t.Started() > now+leeway, "started in future"},
		rule{t.Started()+r.Absolute[r.lifetime(t)] <= now, "too old"},
		rule{t.Started() < r.CutOff || r.Revoked[t.About()], "revoked"})
}

// active takes steps 8 and 8b. A 0x03 counts as unproven until a proof of its device is found.
func (r *Reader) active(s *Token, seen, proofs []*Token, now int64) string {
	idle, why := r.Idle[r.lifetime(s)], "idle"
	if idle == 0 {
		return ""
	}
	for _, t := range seen {
		if t.About() != s.About() || t.Expires() > now+idle+leeway {
			continue
		}
		for _, p := range proofs {
			if t.kind == bound && p.About() == t.bytes[17:33] {
				s.Device = p.About()
				return ""
			}
		}
		if t.kind == activity {
			why = ""
		} else if why == "idle" {
			why = "unproven"
		}
	}
	return why
}

// Open takes the cookies of a request, as name and value, and gives its session or the reason why there is none.
func (r *Reader) Open(cookies [][2]string, now int64) (*Token, string) {
	var sessions []*Token
	about, furthest, tried := map[string]bool{}, "absent", 0
	note := func(why string) {
		if strings.Index(reasons, why) > strings.Index(reasons, furthest) {
			furthest = why
		}
	}
	for _, cookie := range cookies {
		if cookie[0] != r.Name {
			continue
		}
		t, why := r.claim(cookie[1], 4096-len(r.Name), now, inOne, inChunks)
		if why == "" && tried < 8 {
			tried++
			if why = r.open(t, cookies, now); why == "" {
				sessions, about[t.About()] = append(sessions, t), true
			}
		}
		note(why)
	}
	sort.SliceStable(sessions, func(i, j int) bool { return sessions[i].frame[:8] > sessions[j].frame[:8] })
	kinds := []kind{activity, bound}
	if r.Proof == 0 {
		kinds = kinds[:1]
	}
	seen := r.verified(cookies, now, about, kinds...)
	for _, t := range seen {
		about[t.bytes[17:33]] = true // a device, or the check of a 0x02
	}
	proofs := r.verified(cookies, now, about, proof)
	for _, s := range sessions {
		why := r.active(s, seen, proofs, now)
		if why == "" && !deserialises(s.Payload()) {
			why = "payload"
		}
		if why == "" {
			return s, ""
		}
		note(why)
	}
	return nil, furthest
}

var (
	text    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	escape  = regexp.MustCompile(`\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..`)
	half    = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
	numbers = regexp.MustCompile(`-?[0-9][0-9.eE+-]*`)
)

// deserialises is step 9 for any JSON.
func deserialises(payload string) bool {
	if !utf8.ValidString(payload) || !json.Valid([]byte(payload)) {
		return false
	}
	depth := 0
	for _, c := range text.ReplaceAllString(payload, "") {
		if c == '[' || c == '{' {
			depth++
		} else if c == ']' || c == '}' {
			depth--
		}
		if depth > 127 {
			return false
		}
	}
	for _, n := range numbers.FindAllString(text.ReplaceAllString(payload, ""), -1) {
		if _, err := strconv.ParseFloat(n, 64); err != nil {
			return false
		}
	}
	return !half.MatchString(escape.ReplaceAllString(payload, " "))
}

// ParseRevocations reads a revocation list: the cut-off, and the ids that are revoked at this time.
func ParseRevocations(list string, now int64) (cutOff int64, ids map[string]bool, why string) {
	if !strings.HasPrefix(list, "SSRL") {
		return 0, nil, "not a list"
	}
	if len(list) < 17 {
		return 0, nil, "length"
	}
	entries := list[17:]
	if list[4] != 1 {
		return 0, nil, "unknown version"
	}
	if len(entries)%12 != 0 || u64(len(entries)/12) != list[9:17] {
		return 0, nil, "length"
	}
	ids = map[string]bool{}
	for ; entries != ""; entries = entries[12:] {
		if len(entries) > 12 && entries[:8] >= entries[12:20] {
			return 0, nil, "order"
		}
		if number(entries[8:12]) > now {
			ids[entries[:8]] = true
		}
	}
	return number(list[5:9]), ids, ""
}
