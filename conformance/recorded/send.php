<?php
// The HTTP client of PHP's SDK, curl: requests come as lines of JSON, answers go as lines of JSON.
// As the SDK does, it decodes what is labeled as JSON; what it cannot decode is said in `complaint`.

if (!extension_loaded('curl')) {
    fwrite(STDERR, "php has no curl extension\n");
    exit(3);
}
while (($line = fgets(STDIN)) !== false) {
    $request = json_decode($line, true);
    $headers = [];
    $curl = curl_init($request['url']);
    curl_setopt_array($curl, [
        CURLOPT_CUSTOMREQUEST => $request['method'],
        CURLOPT_HTTPHEADER => $request['headers'],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_PROXY => '',
        CURLOPT_HEADERFUNCTION => function ($curl, $text) use (&$headers) {
            $parts = explode(':', $text, 2);
            if (count($parts) === 2) {
                $headers[trim($parts[0])] = trim($parts[1]);
            }
            return strlen($text);
        },
    ]);
    if ($request['body'] !== '') {
        curl_setopt($curl, CURLOPT_POSTFIELDS, base64_decode($request['body']));
    }
    $body = curl_exec($curl);
    $complaint = $body === false ? curl_error($curl) : '';
    if (str_starts_with($headers['content-type'] ?? '', 'application/json') && !is_array(json_decode($body, true))) {
        $complaint = 'labeled as JSON, but PHP decodes no array: ' . json_last_error_msg();
    }
    echo json_encode([
        'status' => curl_getinfo($curl, CURLINFO_RESPONSE_CODE),
        'headers' => (object) $headers,
        'body' => base64_encode((string) $body),
        'complaint' => $complaint,
    ]), "\n";
    curl_close($curl);
}
