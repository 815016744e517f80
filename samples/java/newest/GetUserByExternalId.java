import com.workos.WorkOS;
import com.workos.models.User;

final class GetUserByExternalId {
  static void sample(WorkOS workos, String externalId) {
    // region
    User user = workos.getUserManagement().getByExternalId(externalId);

    System.out.println(user.getId());
    // endregion
  }
}
