import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/** Verifies license tokens; {@code parse} is any JSON library that makes whole numbers {@code Long}. */
record VerifyToken(String alg, String kid, String pem, Function<String, Map<String, Object>> parse) {
    private static final String TYP = "carnet-license+jwt";

    /** The claims of a genuine token for this app on this device; throws for every other. */
    Map<String, Object> verify(String token, String product, String device) throws GeneralSecurityException {
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3) throw new GeneralSecurityException("not a token");
        Base64.Decoder base64 = Base64.getUrlDecoder();

        // The algorithm is the pinned key's, never the token's.
        Signature signature = Signature.getInstance(switch (alg) {
            case "EdDSA" -> "Ed25519";
            case "ES256" -> "SHA256withECDSAinP1363Format";
            case "RS256" -> "SHA256withRSA";
            default -> throw new GeneralSecurityException("no such algorithm");
        });
        signature.initVerify(publicKey());
        signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.UTF_8));
        byte[] bytes = base64.decode(parts[2]);
        if (alg.equals("EdDSA") && bytes.length != 64) { // JDK 17 ignores bytes after the 64th
            throw new GeneralSecurityException("of another size");
        }
        if (!signature.verify(bytes)) throw new GeneralSecurityException("does not fit");

        var header = parse.apply(new String(base64.decode(parts[0]), StandardCharsets.UTF_8));
        if (!header.equals(Map.of("alg", alg, "kid", kid, "typ", TYP))) {
            throw new GeneralSecurityException("another kind of token, or another key");
        }
        var claims = parse.apply(new String(base64.decode(parts[1]), StandardCharsets.UTF_8));
        if (!product.equals(claims.get("aud"))) throw new GeneralSecurityException("for another product");
        if (claims.containsKey("dev") && !Objects.equals(claims.get("dev"), device)) {
            throw new GeneralSecurityException("for another device");
        }
        if (!(claims.get("nbf") instanceof Long && claims.get("exp") instanceof Long)) {
            throw new GeneralSecurityException("without its times");
        }
        return claims;
    }

    /** What a verified token opens at {@code now} (Unix seconds): not_started, active, grace or expired. */
    static String state(Map<String, Object> claims, long now) {
        var policy = (Map<?, ?>) claims.get("pol");
        long start = Math.max((Long) claims.get("nbf"), (Long) claims.getOrDefault("lic_nbf", 0L));
        long end = (Long) claims.get("exp");
        long over = end + (Long) policy.get("grace");
        if (claims.get("lic_exp") instanceof Long term) {
            end = Math.min(end, term);
            over = Math.min(over, term + (Long) policy.get("term_grace"));
        }
        if (now < start) return "not_started";
        if (now < end) return "active";
        return now < over ? "grace" : "expired";
    }

    private PublicKey publicKey() throws GeneralSecurityException {
        String family = Map.of("EdDSA", "Ed25519", "ES256", "EC", "RS256", "RSA").get(alg);
        byte[] spki = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
        return KeyFactory.getInstance(family).generatePublic(new X509EncodedKeySpec(spki));
    }
}
