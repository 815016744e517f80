import com.workos.WorkOS;
import com.workos.usermanagement.models.User;

final class GetUser {
  static void sample(WorkOS workos, String userId) {
    // region
    User user = workos.userManagement.getUser(userId);

    System.out.println(user.email);
    // endregion
  }
}
