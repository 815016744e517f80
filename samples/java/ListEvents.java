import com.workos.WorkOS;
import com.workos.events.EventsApi.ListEventsOptions;
import com.workos.events.models.EventList;
import java.util.List;

final class ListEvents {
  static void sample(WorkOS workos) {
    // region
    ListEventsOptions options = ListEventsOptions.builder()
        .events(List.of("user.created", "session.revoked"))
        .limit(20)
        .build();
    EventList events = workos.events.listEvents(options);

    events.data.forEach(event -> System.out.println(event));
    // endregion
  }
}
