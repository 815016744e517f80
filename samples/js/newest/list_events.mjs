export default async ({ workos }) => {
  // region
  const events = await workos.events.listEvents({
    events: ["user.created", "session.revoked"],
    limit: 20,
  });

  for (const event of events.data) console.log(event.event, event.createdAt);
  // endregion
};
