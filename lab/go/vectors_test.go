package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
)

// bytes are hexadecimal in the files.
type hexed string

func (h *hexed) UnmarshalJSON(text []byte) error {
	b, err := hex.DecodeString(strings.Trim(string(text), `"`))
	*h = hexed(b)
	return err
}

// load reads a file of vectors. Another one can be named in the environment.
func load(t *testing.T, name, variable string, into any) {
	t.Helper()
	path := "../../tests/data/" + name
	if other := os.Getenv(variable); variable != "" && other != "" {
		path = other
	}
	file, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(file, into)
	}
	if err != nil {
		t.Fatal(path, err)
	}
}

// report prints how many rows were counted, and fails if it is none or not as many as the file has.
func report(t *testing.T, part string, counted map[string]int, rows int) {
	t.Helper()
	all, line := 0, []string{}
	for what, count := range counted {
		all += count
		line = append(line, fmt.Sprintf("%s %d", what, count))
	}
	sort.Strings(line)
	fmt.Printf("%s: %d rows: %s\n", part, all, strings.Join(line, ", "))
	if all == 0 || all != rows {
		t.Errorf("%s: %d rows of %d", part, all, rows)
	}
}

// seal is the writer of SPEC.md, "Session token" and "A session in chunks".
func seal(r *Reader, k kind, root string, expires int64, id, salt, frame, chunks string) (head, check, key, token string) {
	head = string([]byte{k.first}) + expand(root, "key id", 4) + u32(expires) + id + salt + chunks
	t := &Token{kind: k, root: root, bytes: head}
	check = expand(r.derive("check key", t), head+r.Bind, 16)
	key = expand(r.derive("seal key", t), head+r.Bind, 32)
	block, _ := aes.NewCipher([]byte(key))
	gcm, _ := cipher.NewGCM(block)
	body := gcm.Seal(nil, make([]byte, 12), []byte(frame), nil)
	return head, check, key, base64.RawURLEncoding.EncodeToString(append([]byte(head+check), body...))
}

// sign is the writer of the tokens without a body.
func sign(r *Reader, k kind, root string, expires int64, fields string) string {
	head := string([]byte{k.first}) + expand(root, "key id", 4) + u32(expires) + fields
	check := expand(r.derive("check key", &Token{kind: k, root: root, bytes: head}), head+r.Bind, 16)
	return base64.RawURLEncoding.EncodeToString([]byte(head + check))
}

type place struct {
	Name     string
	Audience string
	Bind     hexed
}

func (p place) reader() *Reader {
	return &Reader{Name: p.Name, Audience: p.Audience, Bind: string(p.Bind)}
}

type limits struct {
	Idle               *int64
	Absolute           int64
	RememberedIdle     *int64 `json:"remembered_idle"`
	RememberedAbsolute int64  `json:"remembered_absolute"`
}

func (l limits) set(r *Reader) {
	for i, idle := range []*int64{l.Idle, l.RememberedIdle} {
		if idle != nil {
			r.Idle[i] = *idle
		}
	}
	r.Absolute = [2]int64{l.Absolute, l.RememberedAbsolute}
	if l.RememberedAbsolute == 0 { // no session is remembered
		r.Absolute[1], r.Idle[1] = r.Absolute[0], r.Idle[0]
	}
}

func set(ids []hexed) map[string]bool {
	all := map[string]bool{}
	for _, id := range ids {
		all[string(id)] = true
	}
	return all
}

// same reports the first value that differs from the expected one.
func same(t *testing.T, row any, pairs ...any) {
	t.Helper()
	for i := 0; i < len(pairs); i += 3 {
		if got, want := fmt.Sprintf("%x", pairs[i+1]), fmt.Sprintf("%x", pairs[i+2]); got != want {
			t.Errorf("row %v: %v is %s, expected %s", row, pairs[i], got, want)
		}
	}
}

// spoken is the reason as the files say it.
func spoken(why string) string {
	if why == "" {
		return "ok"
	}
	return why
}

// TestV1 opens every row and seals it again.
func TestV1(t *testing.T) {
	var file struct {
		Vectors []struct {
			place
			limits           `json:"limits"`
			ID               int
			Expect           string
			Ring             []string
			Now              int64
			CutOff           int64 `json:"cut_off"`
			Revoked          []hexed
			Token            string
			Seen             []string
			Secret, Root     hexed
			KeyID            hexed `json:"key_id"`
			SealedWith       place `json:"sealed_with"`
			Day, Expires     int64
			Started, Sealed  int64
			SessionID        hexed `json:"session_id"`
			Salt, Payload    hexed
			Flags            byte
			CheckKey         hexed `json:"check_key"`
			SealKey          hexed `json:"seal_key"`
			Head, Check, Key hexed
		}
		Rings []struct {
			Text, Comment string
			OK            bool
		}
		RawSecrets []struct {
			Hex     hexed
			Comment string
			OK      bool
		} `json:"raw_secrets"`
	}
	load(t, "v1.json", "VECTORS", &file)

	ran, resealed := map[string]int{}, 0
	for _, v := range file.Vectors {
		r := v.place.reader()
		v.limits.set(r)
		r.Ring, r.CutOff, r.Revoked = map[string]string{}, v.CutOff, set(v.Revoked)
		for _, text := range v.Ring {
			root := ParseKey(text)
			r.Ring[expand(root, "key id", 4)] = root
		}
		cookies := [][2]string{{v.Name, v.Token}}
		for _, seen := range v.Seen {
			cookies = append(cookies, [2]string{v.Name + "-seen", seen})
		}
		session, why := r.Open(cookies, v.Now)
		if spoken(why) != v.Expect {
			t.Errorf("row %d: %q, expected %q", v.ID, why, v.Expect)
		}
		if session != nil {
			same(t, v.ID, "session id", session.About(), v.SessionID, "expires", session.Expires(), v.Expires,
				"started", session.Started(), v.Started, "sealed", session.Sealed(), v.Sealed,
				"flags", session.Flags(), v.Flags, "payload", session.Payload(), v.Payload)
		}

		root := RawSecret(string(v.Secret))
		w := v.SealedWith.reader()
		frame := u32(v.Started) + u32(v.Sealed) + string([]byte{v.Flags}) + string(v.Payload)
		head, check, key, token := seal(w, inOne, root, v.Expires, string(v.SessionID), string(v.Salt), frame, "")
		of := &Token{kind: inOne, root: root, bytes: head}
		same(t, v.ID, "root", root, v.Root, "key id", expand(root, "key id", 4), v.KeyID, "day", v.Expires/86400, v.Day,
			"check key", w.derive("check key", of), v.CheckKey, "seal key", w.derive("seal key", of), v.SealKey,
			"head", head, v.Head, "check", check, v.Check, "key", key, v.Key)
		if token == v.Token {
			resealed++
		} else if v.Expect == "ok" {
			t.Errorf("row %d: sealed again it is %s", v.ID, token)
		}
		ran[spoken(why)]++
	}
	report(t, "v1.json, vectors", ran, len(file.Vectors))
	fmt.Printf("v1.json, sealed again to the same token: %d rows, among them all that open\n", resealed)

	ran = map[string]int{}
	for _, v := range file.Rings {
		if ring := ParseRing(v.Text); (ring != nil) != v.OK {
			t.Errorf("ring %q: %v", v.Comment, ring != nil)
		}
		ran[fmt.Sprint("ok ", v.OK)]++
	}
	report(t, "v1.json, rings", ran, len(file.Rings))

	ran = map[string]int{}
	for _, v := range file.RawSecrets {
		if root := RawSecret(string(v.Hex)); (root != "") != v.OK {
			t.Errorf("raw secret %q: %v", v.Comment, root != "")
		}
		ran[fmt.Sprint("ok ", v.OK)]++
	}
	report(t, "v1.json, raw_secrets", ran, len(file.RawSecrets))
}

// What the vectors do not have, and SPEC.md says.
func TestBesideTheVectors(t *testing.T) {
	const one = "sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81"
	weak := strings.Repeat("\x07", 32)
	root := mac("sealed-session/v1", weak)
	two := fmt.Sprintf("sealed1_%x_%x", expand(root, "key id", 4), weak)
	if RawSecret("a password of 32 bytes, 0123456!") != "" || RawSecret(weak) != "" {
		t.Error("a weak raw secret")
	}
	rings := map[string]bool{
		one + "\r\n": true, "#a;b\n;" + one + "; #c": true, "seal\u00a0" + two + "\u2003#": true,
		"\ufeff" + one:                       false,
		"seal " + one + "\r" + "open " + two: false,
	}
	for from, takes := range map[string]bool{
		"2026-12-01T00:00:00Z": true, "2026-12-01T01:00:00+01:00": true, "1970-01-01T00:30:01+00:30": true,
		"1970-01-01T00:30:00+00:30": false, "2026-12-01T01:00:00+24:00": false, "2026-12-01T01:00:00+0100": false,
		"2026-12-01T24:00:00Z": false, "2026-12-01T23:59:60Z": false, "2026-02-29T00:00:00Z": false,
		"2026-12-01T00:00:00.5Z": false, "2026-12-01t00:00:00Z": false, "2026-12-01T00:00:00z": false,
	} {
		rings["seal "+one+";seal "+two+" from="+from] = takes
		rings["seal "+one+";open "+two+" from="+from] = false
	}
	for text, takes := range rings {
		if (ParseRing(text) != nil) != takes {
			t.Errorf("ring %q: expected %v", text, takes)
		}
	}

	deep := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	payloads := map[string]bool{
		" \t\r\n1 \t\r\n": true, "1\x00": false, "\ufeff1": false, "1\u00a0": false, "\"\x7f\ufeff\"": true, "\"\n\"": false,
		"\"\xff\"": false, "\"\xed\xa0\x80\"": false, "\"\xc0\x80\"": false, `"\ud83d\ude00"`: true, `"\\ud800"`: true,
		`"\ud800"`: false, `{"\udc00":1}`: false, `"\ud800\ud800\udc00"`: false, `"\\\ud800"`: false, `"\ud800\u0041"`: false,
		"1e999": false, `{"a":[-1e999]}`: false, `"1e999"`: true, "1e-999": true, "0e999": true, "1" + strings.Repeat("0", 309): false,
		"1.7976931348623157e308": true, deep(127): true, deep(128): false, `{"a":` + deep(127) + "}": false,
		`"` + deep(128) + `"`: true, "[" + strings.Repeat("[],", 200) + "1]": true, "NaN": false, "[1,]": false, "": false,
	}
	for payload, takes := range payloads {
		if deserialises(payload) != takes {
			t.Errorf("payload %.40q: expected %v", payload, takes)
		}
	}

	const now, name, id, first, second = 1893369660, "__Host-id", "session1", "the first device", "the other device"
	r := &Reader{Ring: ParseRing(two), Name: name, Idle: [2]int64{1800, 1800}, Absolute: [2]int64{43200, 43200}, Proof: 660}
	_, _, _, token := seal(r, inOne, root, now+43200, id, "twelve bytes", u32(now)+u32(now)+"\x00{}", "")
	session, seen, proofs := [2]string{name, token}, name+"-seen", name+"-proof"
	binds := func(device string, expires int64) [2]string {
		return [2]string{seen, sign(r, bound, root, expires, id+device)}
	}
	proves := func(name, device string) [2]string {
		return [2]string{name, sign(r, proof, root, now+660, device+u32(now))}
	}
	forged := [2]string{proofs, sign(&Reader{Name: "other"}, proof, root, now+660, first+u32(now))}
	damaged, plain := [2]string{name, token[:len(token)-4] + "AAAA"}, [2]string{seen, sign(r, activity, root, now+9, id)}
	many := func(n int, of [2]string) (cookies [][2]string) {
		for ; n > 0; n-- {
			cookies = append(cookies, of)
		}
		return cookies
	}
	for _, c := range []struct {
		what, why, device string
		cookies           [][2]string
	}{
		{"too short beside an unknown version", "unknown version", "", [][2]string{{name, token[:80]},
			{name, "AA" + token[2:]}}},
		{"longer than a cookie", "malformed", "", [][2]string{{name, token + strings.Repeat("A", 4088-len(token))}}},
		{"seven damaged before a plain one", "", "", append(many(7, damaged), session, plain)},
		{"eight damaged before a plain one", "damaged", "", append(many(8, damaged), session, plain)},
		{"two proven, the first expires later", "", first, [][2]string{session, binds(first, now+99), binds(second, now+98),
			proves(proofs, first), proves(proofs, second)}},
		{"two proven, both expire at once", "", second, [][2]string{session, binds(first, now+99), binds(second, now+99),
			proves(proofs, first), proves(proofs, second)}},
		{"proof in the marker", "", first, [][2]string{session, binds(first, now+99), proves(name+"-asked", first)}},
		{"marker after seven forged proofs", "", first, append(many(7, forged), session, binds(first, now+99),
			proves(name+"-asked", first))},
		{"marker before eight forged proofs, and yet read last", "unproven", "", append([][2]string{session,
			proves(name+"-asked", first), binds(first, now+99)}, many(8, forged)...)},
	} {
		s, why := r.Open(c.cookies, now)
		if why != c.why || s != nil && s.Device != c.device {
			t.Errorf("%s: %q, %v", c.what, why, s)
		}
	}
}

func TestRevocations(t *testing.T) {
	var file struct {
		Now  int64
		Rows []struct {
			Comment, Expect string
			Hex             hexed
			CutOff          int64 `json:"cut_off"`
			IDs             []hexed
		}
	}
	load(t, "revocations.json", "", &file)
	ran := map[string]int{}
	for _, v := range file.Rows {
		cutOff, ids := ParseRevocations(string(v.Hex), file.Now)
		if (ids != nil) != (v.Expect == "ok") || cutOff != v.CutOff || fmt.Sprint(ids) != fmt.Sprint(set(v.IDs)) {
			t.Errorf("%s: %d, %v", v.Comment, cutOff, ids)
		}
		ran[v.Expect]++
	}
	report(t, "revocations.json", ran, len(file.Rows))
}

func TestNext(t *testing.T) {
	var file struct {
		Rows []struct {
			place
			ID             int
			Op, Kind, Text string
			Ring           []hexed
			Now            int64
			Settings       struct {
				limits
				Device  bool
				Proof   int64
				CutOff  int64 `json:"cut_off"`
				Revoked []hexed
			}
			Cookies [][2]string
			Session sealed
			Expect  map[string]any
		}
	}
	load(t, "next.json", "NEXT_VECTORS", &file)
	// The endpoints answer, sign and set cookies: that is a server, and no reader.
	endpoints, rows := map[string]int{"register": 0, "refresh": 0}, len(file.Rows)
	kinds := map[string]kind{"0x03": bound, "0x04": proof, "0x05": deviceKey, "0x06 register": register,
		"0x06 refresh": refresh}
	ran := map[string]int{}
	for _, v := range file.Rows {
		r := v.place.reader()
		v.Settings.limits.set(r)
		r.Ring, r.CutOff, r.Revoked = map[string]string{}, v.Settings.CutOff, set(v.Settings.Revoked)
		if v.Settings.Device {
			r.Proof = v.Settings.Proof
		}
		for _, secret := range v.Ring {
			root := RawSecret(string(secret))
			r.Ring[expand(root, "key id", 4)] = root
		}
		got := map[string]any{}
		switch v.Op {
		case "open":
			k := kinds[v.Kind]
			token, why := r.claim(v.Text, 88, v.Now, k)
			if why == "" {
				why = r.verify(token, v.Now)
			}
			if got["result"] = spoken(why); why == "" {
				fields := token.bytes[9:k.head]
				if again := sign(r, k, token.root, token.Expires(), fields); again != v.Text {
					t.Errorf("row %d: signed again it is %s", v.ID, again)
				}
				got["expires"] = token.Expires()
				if k.about == 8 {
					got["session_id"] = fmt.Sprintf("%x", token.About())
				} else {
					got["device"] = fmt.Sprintf("%x", token.About())
				}
				switch k {
				case bound:
					got["device"] = fmt.Sprintf("%x", fields[8:])
				case proof:
					got["proven"] = number(fields[16:])
				case deviceKey:
					device := sha256.Sum256([]byte(fields[8:]))
					got["point"], got["device"] = fmt.Sprintf("%x", fields[8:]), fmt.Sprintf("%x", device[:16])
				}
			}
		case "session":
			session, why := r.Open(v.Cookies, v.Now)
			if got["result"] = spoken(why); why == "" {
				got["session_id"], got["remembered"] = fmt.Sprintf("%x", session.About()), session.Flags() == 1
				got["started"], got["sealed"] = session.Started(), session.Sealed()
				got["state"], got["device"] = "plain", nil
				if session.Device != "" {
					got["state"], got["device"] = "proven", fmt.Sprintf("%x", session.Device)
				}
				got["payload_sha256"] = fmt.Sprintf("%x", sha256.Sum256([]byte(session.Payload())))
			}
		case "head":
			token, why := r.claim(v.Text, 4096-len(v.Name), v.Now, inOne, inChunks)
			if why == "" && !r.ours(token) {
				why = "not ours"
			}
			if got["result"] = spoken(why); why == "" {
				got["session_id"], got["expires"], got["chunks"] = fmt.Sprintf("%x", token.About()), token.Expires(), 1
				if token.kind == inChunks {
					got["chunks"] = token.bytes[29]
				}
			}
		case "value":
			token, why := r.claim(v.Text, 8192, v.Now, inOne)
			if why == "" {
				why = r.open(token, nil, v.Now)
			}
			got["result"] = spoken(why)
		case "write":
			got["result"] = "too large"
			if cookies := write(r, RawSecret(string(v.Ring[0])), v.Session); cookies != nil {
				got["result"], got["cookies"] = "ok", cookies
			}
		default:
			if count, known := endpoints[v.Op]; known {
				endpoints[v.Op], rows = count+1, rows-1
			} else {
				t.Errorf("row %d: unknown op %q", v.ID, v.Op)
			}
			continue
		}
		expect, _ := json.Marshal(v.Expect)
		result, _ := json.Marshal(got)
		if string(result) != string(expect) {
			t.Errorf("row %d: %s, expected %s", v.ID, result, expect)
		}
		ran[v.Op+" "+v.Kind]++
	}
	report(t, "next.json", ran, rows)
	report(t, "next.json, not run, since a reader has no endpoints", endpoints, len(file.Rows)-rows)
}

// sealed is what a row of op write seals.
type sealed struct {
	Expires, Started, Sealed int64
	SessionID                hexed `json:"session_id"`
	Salt                     hexed
	Flags                    byte
	PayloadBytes             int `json:"payload_bytes"`
}

// write seals a session in as few cookies as it takes, and is nil if four are too few.
func write(r *Reader, root string, s sealed) (cookies []any) {
	frame := u32(s.Started) + u32(s.Sealed) + string([]byte{s.Flags}) + `"` + strings.Repeat("x", s.PayloadBytes-2) + `"`
	add := func(name, value string) {
		cookies = append(cookies, []any{name, len(value), fmt.Sprintf("%x", sha256.Sum256([]byte(value)))})
	}
	_, _, _, token := seal(r, inOne, root, s.Expires, string(s.SessionID), string(s.Salt), frame, "")
	if len(token) <= 4096-len(r.Name) {
		add(r.Name, token)
		return cookies
	}
	next := full(r.Name+".2") - 8
	for chunks := 2; chunks <= 4; chunks++ {
		last := string([]byte{byte(chunks)})
		_, _, _, token = seal(r, inChunks, root, s.Expires, string(s.SessionID), string(s.Salt), frame, last)
		rest := token[full(r.Name):]
		if len(rest) > (chunks-1)*next {
			continue
		}
		add(r.Name, token[:full(r.Name)])
		for i := 2; rest != ""; i++ {
			n := next
			if len(rest) < n {
				n = len(rest)
			}
			add(fmt.Sprint(r.Name, ".", i), token[40:48]+rest[:n])
			rest = rest[n:]
		}
		return cookies
	}
	return nil
}
