import com.workos.WorkOS;
import com.workos.usermanagement.builders.UpdateUserOptionsBuilder;
import com.workos.usermanagement.models.User;
import com.workos.usermanagement.types.UpdateUserOptions;

final class UpdateUser {
  static void sample(WorkOS workos, String userId) {
    // region
    UpdateUserOptions options = new UpdateUserOptionsBuilder(userId).firstName("Kim").build();
    User user = workos.userManagement.updateUser(userId, options);

    System.out.println(user.updatedAt);
    // endregion
  }
}
