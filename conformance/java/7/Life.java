import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.workos.WorkOS;
import com.workos.common.exceptions.BadRequestException;
import com.workos.common.exceptions.NotFoundException;
import com.workos.common.exceptions.UnauthorizedException;
import com.workos.common.exceptions.UnprocessableEntityException;
import com.workos.common.exceptions.WorkOSGenericException;
import com.workos.common.http.Page;
import com.workos.common.http.RequestOptions;
import com.workos.models.AuthenticateResponse;
import com.workos.models.AuthenticationChallenge;
import com.workos.models.AuthenticationFactor;
import com.workos.models.AuthenticationFactorEnrolled;
import com.workos.models.JwksResponseKeys;
import com.workos.models.SessionCreatedData;
import com.workos.models.UserAuthenticationFactorEnrollResponse;
import com.workos.models.UserCreateResponse;
import com.workos.models.UserUpdated;
import com.workos.models.WorkOSEvent;
import com.workos.multifactorauth.MultiFactorAuth;
import com.workos.session.Jwks;
import com.workos.types.AuthenticationFactorType;
import com.workos.types.CreateWebhookEndpointEvents;
import com.workos.types.UserSessionsStatus;
import com.workos.usermanagement.CreateUserPassword;
import com.workos.usermanagement.UserManagement;
import com.workos.webhooks.Webhook;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.spec.RSAPublicKeySpec;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;

/** The whole life through com.workos:workos 7. */
public final class Life {
  private static final String PASSWORD = "a long and rare passphrase 7!";
  private static final String OWN_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
  private static final String BAD_SECRET = "0189!";
  private static final String UNKNOWN_USER = "user_01HZZZZZZZZZZZZZZZZZZZZZZZ";
  private static final String NOTHING = "auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ";
  private static final String CLIENT_ID = System.getenv("CLIENT_ID");

  private final WorkOS workos = client(System.getenv("API_KEY"));
  private final WorkOS stranger = client("sk_test_wrong");
  private final UserManagement users = workos.getUserManagement();
  private final MultiFactorAuth mfa = workos.getMultiFactorAuth();
  private final String email = "kim." + System.nanoTime() + "@example.org";

  private UserCreateResponse user;
  private AuthenticationFactorEnrolled factor;
  private AuthenticationFactorEnrolled own;
  private AuthenticationChallenge challenge;
  private AuthenticationChallenge again;
  private String code;
  private String pending;
  private AuthenticateResponse signedIn;
  private String refreshToken;
  private String session;

  public static void main(String[] arguments) {
    int failed = Steps.walk(new Life().steps());
    // The SDK's HTTP client keeps threads for a while.
    System.exit(failed == 0 ? 0 : 1);
  }

  private static WorkOS client(String key) {
    return WorkOS.builder().apiKey(key).clientId(CLIENT_ID).apiBaseUrl(System.getenv("BASE_URL")).build();
  }

  private Map<String, Steps.Step> steps() {
    Map<String, Steps.Step> steps = new LinkedHashMap<>();
    steps.put("create user", this::createUser);
    steps.put("enroll", this::enroll);
    steps.put("enroll own", this::enrollOwn);
    steps.put("qr code", this::qrCode);
    steps.put("wrong code", this::wrongCode);
    steps.put("verify", this::verify);
    steps.put("challenge", this::ask);
    steps.put("replay", () -> Steps.same("valid", verified(again, code), false));
    steps.put("list", this::list);
    steps.put("get", this::get);
    steps.put("unknown ids", this::unknownIds);
    steps.put("bad secret", this::badSecret);
    steps.put("wrong key", this::wrongKey);
    steps.put("password", this::password);
    steps.put("sign in", this::signIn);
    steps.put("jwks", this::jwks);
    steps.put("refresh", this::refresh);
    steps.put("sessions", this::sessions);
    // No "events": this version decodes the events it knows into classes that its own list does not
    // take, whichever server has answered. The webhook's step reads one with the same classes.
    steps.put("webhook", this::webhook);
    steps.put("recovery code", this::recoveryCode);
    steps.put("delete", this::delete);
    steps.put("delete user", this::deleteUser);
    return steps;
  }

  private void createUser() {
    user = users.create(new CreateUserPassword.Plaintext(PASSWORD), email, null, null, null, true);
    Steps.same("email", user.getEmail(), email);
    Steps.same("read again", users.get(user.getId()).getCreatedAt(), user.getCreatedAt());
  }

  private void enroll() {
    UserAuthenticationFactorEnrollResponse made = mfa.createUserAuthFactor(user.getId(), "totp");
    factor = made.getAuthenticationFactor();
    challenge = made.getAuthenticationChallenge();
    Steps.same("challenged factor", challenge.getAuthenticationFactorId(), factor.getId());
    Steps.ensure(challenge.getExpiresAt() != null, "expires_at is missing");
    Steps.ensure(challenge.getExpiresAt().isAfter(OffsetDateTime.now()), "expired already");
  }

  private void enrollOwn() {
    own =
        mfa.createUserAuthFactor(user.getId(), "totp", "Acme & Söhne", "kim+2@example.org", OWN_SECRET)
            .getAuthenticationFactor();
    Steps.same("own secret", own.getTotp().getSecret(), OWN_SECRET);
    Steps.same("issuer", own.getTotp().getIssuer(), "Acme & Söhne");
    Steps.same("account", own.getTotp().getUser(), "kim+2@example.org");
  }

  private void qrCode() throws Exception {
    for (AuthenticationFactorEnrolled one : List.of(factor, own)) {
      Steps.same("text", Steps.textInPicture(one.getTotp().getQrCode()), one.getTotp().getUri());
      Steps.ensure(
          one.getTotp().getUri().contains("secret=" + one.getTotp().getSecret()), "no secret in the URI");
    }
  }

  private boolean verified(AuthenticationChallenge asked, String digits) {
    var answer = mfa.verifyChallenge(asked.getId(), digits);
    Steps.same("challenge", answer.getChallenge().getId(), asked.getId());
    return answer.getValid();
  }

  private void wrongCode() throws Exception {
    Steps.same("valid", verified(challenge, Steps.wrongCode(factor.getTotp().getSecret())), false);
  }

  private void verify() throws Exception {
    code = Steps.code(factor.getTotp().getSecret(), 0);
    Steps.same("valid", verified(challenge, code), true);
  }

  // This SDK's Idempotency-Key is made from the request, and so the same for the same call. Shortly
  // after one another the two count as one, as a retry would; an earlier challenge is another one.
  private void ask() {
    again = mfa.challengeFactor(factor.getId());
    Steps.same("challenged factor", again.getAuthenticationFactorId(), factor.getId());
    Steps.ensure(!again.getId().equals(challenge.getId()), "the same challenge twice");
    Steps.same("asked again at once", mfa.challengeFactor(factor.getId()).getId(), again.getId());
  }

  private void list() {
    List<String> all = List.of(own.getId(), factor.getId());
    Page<AuthenticationFactor> page = mfa.listUserAuthFactors(user.getId(), null, null, 1);
    Steps.same("size of the page", page.data.size(), 1);
    Steps.ensure(page.hasNextPage(), "no second page");
    List<String> found = new ArrayList<>();
    page.autoPagingIterable().forEach(one -> found.add(one.getId()));
    Steps.same("every page", found, all);
  }

  private void get() {
    AuthenticationFactor found = mfa.getFactor(own.getId());
    Steps.same("factor", found.getId(), own.getId());
    Steps.same("type", found.getType(), AuthenticationFactorType.Totp);
    Steps.same("issuer", found.getTotp().getIssuer(), "Acme & Söhne");
  }

  private void unknownIds() throws Exception {
    List<Steps.Step> calls =
        List.of(
            () -> users.get(UNKNOWN_USER),
            () -> mfa.createUserAuthFactor(UNKNOWN_USER, "totp"),
            () -> mfa.getFactor(NOTHING),
            () -> mfa.deleteFactor(NOTHING),
            () -> mfa.challengeFactor(NOTHING));
    for (Steps.Step call : calls) {
      Steps.same("code", Steps.refusedToDo(NotFoundException.class, call).code, "entity_not_found");
    }
  }

  private void badSecret() throws Exception {
    UnprocessableEntityException refusal =
        Steps.refused(
            UnprocessableEntityException.class,
            () -> mfa.createUserAuthFactor(user.getId(), "totp", null, null, BAD_SECRET));
    Steps.same("code", refusal.code, "invalid_request_parameters");
    Steps.same("fields", refusal.errors.stream().map(error -> error.field).toList(), List.of("totp_secret"));
  }

  private void wrongKey() throws Exception {
    Steps.refused(UnauthorizedException.class, () -> stranger.getUserManagement().get(user.getId()));
  }

  // No class of its own for a step-up: the pending token is in the raw body.
  private void password() throws Exception {
    WorkOSGenericException refusal =
        Steps.refused(
            WorkOSGenericException.class, () -> users.authenticateWithPassword(email, PASSWORD));
    Steps.same("status", refusal.status, 403);
    Steps.same("code", refusal.code, "mfa_challenge");
    JsonNode body = new ObjectMapper().readTree(refusal.rawBody);
    Set<String> offered = new TreeSet<>();
    body.get("authentication_factors").forEach(one -> offered.add(one.get("id").asText()));
    Steps.same("factors", offered, new TreeSet<>(List.of(factor.getId(), own.getId())));
    pending = body.get("pending_authentication_token").asText();
  }

  private void signIn() throws Exception {
    AuthenticationChallenge asked = mfa.challengeFactor(own.getId());
    signedIn = users.authenticateWithTotp(Steps.code(OWN_SECRET, 0), pending, asked.getId());
    Steps.same("user", signedIn.getUser().getId(), user.getId());
    refreshToken = signedIn.getRefreshToken();
  }

  private void jwks() throws Exception {
    JWTClaimsSet claims = claims(signedIn.getAccessToken());
    Steps.same("subject", claims.getSubject(), user.getId());
    session = claims.getStringClaim("sid");
    Steps.ensure(
        Jwks.INSTANCE.isValidJwt(workos, signedIn.getAccessToken()), "the SDK holds the token for invalid");
  }

  /** The claims of an access token, checked with Java's own RSA against the keys that the SDK reads. */
  private JWTClaimsSet claims(String token) throws Exception {
    SignedJWT parsed = SignedJWT.parse(token);
    Steps.same("algorithm", parsed.getHeader().getAlgorithm().getName(), "RS256");
    Signature signature = Signature.getInstance("SHA256withRSA");
    signature.initVerify(publicKey(parsed.getHeader().getKeyID()));
    signature.update(token.substring(0, token.lastIndexOf('.')).getBytes(StandardCharsets.US_ASCII));
    Steps.ensure(signature.verify(parsed.getSignature().decode()), "signed by another key");
    JWTClaimsSet claims = parsed.getJWTClaimsSet();
    Steps.ensure(claims.getExpirationTime().after(new Date()), "the token has expired");
    return claims;
  }

  private PublicKey publicKey(String id) throws Exception {
    for (JwksResponseKeys key : users.getJwks(CLIENT_ID).getKeys()) {
      if (key.getKid().equals(id)) {
        RSAPublicKeySpec numbers = new RSAPublicKeySpec(number(key.getN()), number(key.getE()));
        return KeyFactory.getInstance("RSA").generatePublic(numbers);
      }
    }
    throw new AssertionError("the key is not published: " + id);
  }

  private static BigInteger number(String base64) {
    return new BigInteger(1, Base64.getUrlDecoder().decode(base64));
  }

  private void refresh() throws Exception {
    AuthenticateResponse answer = users.authenticateWithRefreshToken(refreshToken);
    Steps.same("session", claims(answer.getAccessToken()).getStringClaim("sid"), session);
    Steps.ensure(!answer.getRefreshToken().equals(refreshToken), "the refresh token was not changed");
    refreshToken = answer.getRefreshToken();
  }

  private void sessions() throws Exception {
    List<SessionCreatedData> before = users.listSessions(user.getId()).data;
    Steps.same("sessions", before.stream().map(SessionCreatedData::getId).toList(), List.of(session));
    Steps.same("status", before.get(0).getStatus(), UserSessionsStatus.Active);
    users.revokeSession(session);
    Steps.same("revoked", users.listSessions(user.getId()).data, List.of());
    BadRequestException refusal =
        Steps.refused(
            BadRequestException.class, () -> users.authenticateWithRefreshToken(refreshToken));
    Steps.same("error", new ObjectMapper().readTree(refusal.rawBody).path("error").asText(), "invalid_grant");
  }

  private void webhook() throws Exception {
    try (Inbox inbox = new Inbox(workos, CreateWebhookEndpointEvents.UserUpdated)) {
      users.update(user.getId(), null, null, "Kim");
      Inbox.Letter letter = inbox.next();
      Webhook webhook = new Webhook();
      WorkOSEvent event =
          webhook.constructTypedEvent(letter.body(), letter.signature(), inbox.secret());
      Steps.same("class", event.getClass(), UserUpdated.class);
      Steps.same("event", event.getEvent(), "user.updated");
      Steps.same("user", ((UserUpdated) event).getData().getId(), user.getId());
      Steps.refused(
          SignatureException.class,
          () -> webhook.constructEvent(letter.body(), letter.signature(), "whsec_wrong"));
    }
  }

  /** A key of its own: without it, the same call within ten seconds counts as a retry. */
  private static RequestOptions once() {
    return RequestOptions.builder().idempotencyKey(UUID.randomUUID().toString()).build();
  }

  private void recoveryCode() throws Exception {
    List<String> codes = Steps.recoveryCodes(user.getId());
    Steps.same("valid", verified(mfa.challengeFactor(own.getId(), null, once()), codes.get(0)), true);
    AuthenticationChallenge asked = mfa.challengeFactor(own.getId(), null, once());
    Steps.same("valid twice", verified(asked, codes.get(0)), false);
    WorkOSGenericException refusal =
        Steps.refused(
            WorkOSGenericException.class,
            () ->
                users.authenticateWithPassword(
                    email, PASSWORD, null, null, null, null, null, null, once()));
    String token =
        new ObjectMapper().readTree(refusal.rawBody).get("pending_authentication_token").asText();
    AuthenticateResponse answer = users.authenticateWithTotp(codes.get(1), token, asked.getId());
    Steps.same(
        "methods",
        claims(answer.getAccessToken()).getStringListClaim("amr"),
        List.of("pwd", "recovery_code", "mfa"));
  }

  private void delete() throws Exception {
    mfa.deleteFactor(factor.getId());
    Steps.refused(NotFoundException.class, () -> mfa.getFactor(factor.getId()));
  }

  private void deleteUser() throws Exception {
    users.delete(user.getId());
    Steps.refused(NotFoundException.class, () -> users.get(user.getId()));
    Steps.refused(NotFoundException.class, () -> mfa.getFactor(own.getId()));
  }
}
