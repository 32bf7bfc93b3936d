// Starts Swagger UI on the contract of the service that serves this page.
const contract = await (await fetch("../openapi.json", { credentials: "omit" })).json();
contract.servers = [{ url: new URL("..", location.href).href.slice(0, -1) }]; // a proxy may have a prefix before it
const operations = Object.values(contract.paths).flatMap((path) => Object.values(path));
const schemes = operations.flatMap(({ security = [] }) => security.flatMap((one) => Object.keys(one)));
// A browser would ask for a password before a 401 is shown, and before anybody can type a token. Only it knows Digest.
const credentials = schemes.length && schemes.every((scheme) => scheme === "digest") ? "same-origin" : "omit";

SwaggerUIBundle({
  spec: contract,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => Object.assign(request, { credentials }),
});
