import com.workos.WorkOS;
import com.workos.models.UserCreateResponse;
import com.workos.usermanagement.CreateUserPassword;

final class CreateUser {
  static void sample(WorkOS workos, String email, String password) {
    // region
    UserCreateResponse user = workos.getUserManagement()
        .create(new CreateUserPassword.Plaintext(password), email, "Kim");

    System.out.println(user.getId());
    // endregion
  }
}
