import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads one question per line, {"token", "alg", "kid", "pem", "product", "device", "now"}; prints one outcome per line. */
final class Main {
    public static void main(String[] arguments) throws Exception {
        var questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = questions.readLine()) != null; ) {
            var q = Json.object(line);
            var verifier = new VerifyToken((String) q.get("alg"), (String) q.get("kid"), (String) q.get("pem"), Json::object);
            String outcome;
            try {
                var claims = verifier.verify((String) q.get("token"), (String) q.get("product"), (String) q.get("device"));
                outcome = VerifyToken.state(claims, (Long) q.get("now"));
            } catch (java.security.GeneralSecurityException | RuntimeException bad) {
                outcome = "refused";
            }
            System.out.println(outcome);
        }
    }
}

/** The JSON reader that the JDK does not have; an app takes the one that it uses already. */
final class Json {
    private final String text;
    private int at = 0;

    private Json(String text) {
        this.text = text;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(String text) {
        var json = new Json(text);
        Object value = json.value();
        json.blanks();
        if (json.at != text.length()) throw json.bad();
        return (Map<String, Object>) value;
    }

    private Object value() {
        blanks();
        switch (peek()) {
            case '{': {
                Map<String, Object> members = new LinkedHashMap<>();
                at++;
                if (skip('}')) return members;
                do {
                    blanks();
                    String name = string();
                    want(':');
                    members.put(name, value());
                } while (skip(','));
                want('}');
                return members;
            }
            case '[': {
                List<Object> items = new ArrayList<>();
                at++;
                if (skip(']')) return items;
                do {
                    items.add(value());
                } while (skip(','));
                want(']');
                return items;
            }
            case '"':
                return string();
            default:
                int start = at;
                while (at < text.length() && ("+-.".indexOf(text.charAt(at)) >= 0 || Character.isLetterOrDigit(text.charAt(at)))) at++;
                String word = text.substring(start, at);
                if (word.equals("null")) return null;
                if (word.equals("true") || word.equals("false")) return word.equals("true");
                if (word.matches("-?(0|[1-9][0-9]*)")) return Long.valueOf(word);
                if (word.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) return Double.valueOf(word);
                throw bad();
        }
    }

    private String string() {
        want('"');
        var result = new StringBuilder();
        for (char c; (c = next()) != '"'; ) {
            if (c < ' ') throw bad();
            if (c != '\\') {
                result.append(c);
                continue;
            }
            char escape = next();
            int known = "\"\\/bfnrt".indexOf(escape);
            if (known >= 0) {
                result.append("\"\\/\b\f\n\r\t".charAt(known));
            } else if (escape == 'u') {
                result.append((char) Integer.parseInt(text, at, at + 4, 16));
                at += 4;
            } else {
                throw bad();
            }
        }
        return result.toString();
    }

    private boolean skip(char wanted) {
        blanks();
        if (peek() != wanted) return false;
        at++;
        return true;
    }

    private void want(char wanted) {
        if (!skip(wanted)) throw bad();
    }

    private char next() {
        char c = peek();
        at++;
        return c;
    }

    private char peek() {
        if (at >= text.length()) throw bad();
        return text.charAt(at);
    }

    private void blanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private IllegalArgumentException bad() {
        return new IllegalArgumentException("not JSON");
    }
}
