export default async ({ workos, endpointUrl }) => {
  // region
  const endpoint = await workos.webhooks.createWebhookEndpoint({
    endpointUrl,
    events: ["user.created"],
  });

  console.log(endpoint.id, endpoint.secret);
  // endregion
};
