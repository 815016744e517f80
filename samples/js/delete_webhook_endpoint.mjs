export default async ({ workos, endpointId }) => {
  // region
  await workos.webhooks.deleteWebhookEndpoint({ id: endpointId });
  // endregion
};
