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

// report prints how many rows ran and fails if it is none, or fewer than the file has.
func report(t *testing.T, part string, ran map[string]int, rows int) {
	t.Helper()
	all, line := 0, []string{}
	for what, count := range ran {
		all += count
		line = append(line, fmt.Sprintf("%s %d", what, count))
	}
	sort.Strings(line)
	fmt.Printf("%-22s %3d rows ran: %s\n", part, all, strings.Join(line, ", "))
	if all == 0 || all != rows {
		t.Errorf("%s: %d of %d rows ran", part, all, rows)
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

// spoken is the reason as the files say it: in SPEC.md two lines of a table say malformed.
func spoken(why string) string {
	if why == "" {
		return "ok"
	}
	return strings.Split(why, ":")[0]
}

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
	report(t, "v1.json vectors", ran, len(file.Vectors))
	fmt.Println(resealed)

	ran = map[string]int{}
	for _, v := range file.Rings {
		if ring := ParseRing(v.Text); (ring != nil) != v.OK {
			t.Errorf("ring %q: %v", v.Comment, ring != nil)
		}
		ran[fmt.Sprint("ok ", v.OK)]++
	}
	report(t, "v1.json rings", ran, len(file.Rings))

	ran = map[string]int{}
	for _, v := range file.RawSecrets {
		if root := RawSecret(string(v.Hex)); (root != "") != v.OK {
			t.Errorf("raw secret %q: %v", v.Comment, root != "")
		}
		ran[fmt.Sprint("ok ", v.OK)]++
	}
	report(t, "v1.json raw_secrets", ran, len(file.RawSecrets))
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
			Session struct {
				Expires, Started, Sealed int64
				SessionID                hexed `json:"session_id"`
				Salt                     hexed
				Flags                    byte
				PayloadBytes             int `json:"payload_bytes"`
			}
			Expect map[string]any
		}
	}
	load(t, "next.json", "NEXT_VECTORS", &file)
	kinds := map[string]kind{"0x03": bound, "0x04": proof, "0x05": deviceKey, "0x06 register": register, "0x06 refresh": refresh}
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
				got["session_id"], got["started"], got["sealed"] = fmt.Sprintf("%x", session.About()), session.Started(), session.Sealed()
				got["remembered"], got["state"], got["device"] = session.Flags() == 1, "plain", nil
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
			s := v.Session
			frame := u32(s.Started) + u32(s.Sealed) + string([]byte{s.Flags}) + `"` + strings.Repeat("x", s.PayloadBytes-2) + `"`
			root := RawSecret(string(v.Ring[0]))
			got["result"] = "too large"
			if _, _, _, token := seal(r, inOne, root, s.Expires, string(s.SessionID), string(s.Salt), frame, ""); len(token) <= 4096-len(v.Name) {
				got["result"], got["cookies"] = "ok", []any{sum(v.Name, token)}
				break
			}
			for chunks := 2; chunks <= 4; chunks++ {
				_, _, _, token := seal(r, inChunks, root, s.Expires, string(s.SessionID), string(s.Salt), frame, string([]byte{byte(chunks)}))
				first, next := full(v.Name), full(v.Name+".2")-8
				if len(token) > first+(chunks-1)*next {
					continue
				}
				cookies := []any{sum(v.Name, token[:first])}
				rest := token[first:]
				for i := 2; rest != ""; i++ {
					n := next
					if len(rest) < n {
						n = len(rest)
					}
					cookies = append(cookies, sum(fmt.Sprint(v.Name, ".", i), token[40:48]+rest[:n]))
					rest = rest[n:]
				}
				got["result"], got["cookies"] = "ok", cookies
				break
			}
		default:
			continue
		}
		expect, _ := json.Marshal(v.Expect)
		result, _ := json.Marshal(got)
		if string(result) != string(expect) {
			t.Errorf("row %d: %s, expected %s", v.ID, result, expect)
		}
		ran[v.Op+" "+v.Kind]++
	}
	report(t, "next.json", ran, len(file.Rows))
}

func sum(name, value string) any {
	return []any{name, len(value), fmt.Sprintf("%x", sha256.Sum256([]byte(value)))}
}
