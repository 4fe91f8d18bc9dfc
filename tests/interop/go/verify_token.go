package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
)

const typ = "carnet-license+jwt"

// Claims of a license token that an app needs; the rest is in specs/license-token.md.
type Claims struct {
	Aud    string  `json:"aud"`
	Dev    *string `json:"dev"`
	Nbf    *int64  `json:"nbf"`
	Exp    *int64  `json:"exp"`
	LicNbf int64   `json:"lic_nbf"`
	LicExp *int64  `json:"lic_exp"`
	Pol    struct {
		Grace     int64 `json:"grace"`
		TermGrace int64 `json:"term_grace"`
	} `json:"pol"`
}

// Verify returns the claims of a genuine token for this app on this device, and an error for every other.
func Verify(token, publicPEM, kid, product, device string) (*Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a token")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return nil, err
		}
	}
	alg, err := checkSignature(publicPEM, []byte(parts[0]+"."+parts[1]), decoded[2])
	if err != nil {
		return nil, err
	}
	var header map[string]string
	if err := json.Unmarshal(decoded[0], &header); err != nil {
		return nil, err
	}
	if len(header) != 3 || header["alg"] != alg || header["kid"] != kid || header["typ"] != typ {
		return nil, errors.New("another kind of token, or another key")
	}
	var claims Claims
	if err := json.Unmarshal(decoded[1], &claims); err != nil {
		return nil, err
	}
	if claims.Aud != product {
		return nil, errors.New("for another product")
	}
	if claims.Dev != nil && *claims.Dev != device {
		return nil, errors.New("for another device")
	}
	if claims.Nbf == nil || claims.Exp == nil {
		return nil, errors.New("without its times")
	}
	return &claims, nil
}

// checkSignature takes the algorithm from the pinned key, and returns its name.
func checkSignature(publicPEM string, signed, signature []byte) (string, error) {
	block, _ := pem.Decode([]byte(publicPEM))
	if block == nil {
		return "", errors.New("the pinned key is not PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(signed)
	var alg string
	var ok bool
	switch key := public.(type) {
	case ed25519.PublicKey:
		alg, ok = "EdDSA", ed25519.Verify(key, signed, signature)
	case *ecdsa.PublicKey:
		alg = "ES256"
		if len(signature) == 64 {
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			ok = ecdsa.Verify(key, digest[:], r, s)
		}
	case *rsa.PublicKey:
		alg, ok = "RS256", rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
	if !ok {
		return "", errors.New("the signature does not fit")
	}
	return alg, nil
}

// State says what a verified token opens at now (Unix seconds): not_started, active, grace or expired.
func State(claims *Claims, now int64) string {
	start, end, over := max(*claims.Nbf, claims.LicNbf), *claims.Exp, *claims.Exp+claims.Pol.Grace
	if claims.LicExp != nil {
		end = min(end, *claims.LicExp)
		over = min(over, *claims.LicExp+claims.Pol.TermGrace)
	}
	switch {
	case now < start:
		return "not_started"
	case now < end:
		return "active"
	case now < over:
		return "grace"
	}
	return "expired"
}
