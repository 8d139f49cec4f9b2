package client_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

const secret = "0123456789abcdef0123456789abcdef"

// token is a JWT (RFC 7519) with HS256, which names channels.
func token(user string, ttl time.Duration, channels ...string) string {
	named, _ := json.Marshal(channels)
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		encode(fmt.Appendf(nil, `{"sub":%q,"exp":%d,"channels":%s}`, user, time.Now().Add(ttl).Unix(), named))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}
