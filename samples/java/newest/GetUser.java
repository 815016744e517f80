import com.workos.WorkOS;
import com.workos.models.User;

final class GetUser {
  static void sample(WorkOS workos, String userId) {
    // region
    User user = workos.getUserManagement().get(userId);

    System.out.println(user.getEmail());
    // endregion
  }
}
