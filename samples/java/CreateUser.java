import com.workos.WorkOS;
import com.workos.usermanagement.builders.CreateUserOptionsBuilder;
import com.workos.usermanagement.models.User;
import com.workos.usermanagement.types.CreateUserOptions;

final class CreateUser {
  static void sample(WorkOS workos, String email, String password) {
    // region
    CreateUserOptions options = new CreateUserOptionsBuilder(email, password).build();
    User user = workos.userManagement.createUser(options);

    System.out.println(user.id);
    // endregion
  }
}
